"""IISAN-Versa (2024): IISAN's side networks for towers of any depth and width, as its published code has them.

Where it differs from IISAN: each intra-modal network is taken to the embedding's width at once (Linear(tower, width) →
Linear(width, width)), the bottlenecks have a width of their own beside each tower, the inter-modal network that of the
narrower tower, and six layers of a tower have blocks, however deep it is.
"""

from typing import Literal

from pydantic import StrictBool

from ...ranges import RATES, Choice
from ..method import Options, Rank
from ..registry import register
from .iisan import IISAN, IISANCached
from .levels import Layers
from .side_network import SideDesign


class VersaOptions(Options):
    """As of `iisan`. `text_bottleneck`, `image_bottleneck`: beside each tower; that of the narrower one is between them
    too.
    """

    networks: Literal["both", "intra", "inter"] = "both"
    gated: StrictBool = True
    layers: Layers = "six"
    text_bottleneck: Rank = 64
    image_bottleneck: Rank = 64
    first_state: StrictBool = True


@register("versa", family="decoupled")
class Versa(IISAN):
    """IISAN's side networks for towers of any depth and width (IISAN-Versa, 2024)."""

    options = VersaOptions
    search = RATES | {
        "layers": Choice(("six", "all")),
        "text_bottleneck": Choice((16, 32, 64, 128)),
        "image_bottleneck": Choice((16, 32, 64, 128)),
    }
    published_batch = 512

    def design(self) -> SideDesign:
        """The side networks that the options ask for."""
        chosen = self.chosen
        bottlenecks = {"text": chosen.text_bottleneck, "image": chosen.image_bottleneck}
        return SideDesign(chosen.networks, chosen.gated, bottlenecks, chosen.first_state, narrow_ends=True)


@register("versa-cached", family="decoupled", uncached="versa")
class VersaCached(Versa, IISANCached):
    """The same side networks, reading the hidden states from the feature cache."""
