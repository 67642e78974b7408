"""IISAN (SIGIR 2024): decoupled PEFT. Side networks beside frozen towers, live or from the feature cache."""

from typing import Literal

from pydantic import StrictBool
from torch import Tensor, nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.pair import Backbones
from ..encoder import EncoderLayout, ItemEncoder, layout_of
from ..features.readers import CacheReader, TowerReader
from ..inputs import ItemInputs, Reads, States
from ..method import LearningRates, Method, Options, Rank
from ..registry import register
from .levels import Layers, side_levels
from .side_network import SideDesign, SideNetwork, SideNetworks


class IISANOptions(Options):
    """What the paper varies.

    `networks`: intra-modal, inter-modal or both. `gated`: how states are fused, by learned gates or as plain sums.
    `layers`: LayerDrop, a pattern or layer numbers (`levels.Layers`). `first_state`: whether state 0 has a block.
    """

    networks: Literal["both", "intra", "inter"] = "both"
    gated: StrictBool = True
    layers: Layers = "every-second"
    bottleneck: Rank = 64
    first_state: StrictBool = True


class IISANEncoder(ItemEncoder):
    """Hidden states from a reader, side networks above; the same class live and cached."""

    def __init__(self, reader: TowerReader | CacheReader, side: SideNetworks) -> None:
        super().__init__()
        self.reader = reader
        self.side = side

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, width]`."""
        return self.side(self.reader(inputs)).expand(len(inputs.items), -1)  # of levels that all items share, one row

    def layout(self) -> EncoderLayout:
        """Each side network is a part, and all of them are compiled together."""
        parts = {name: list(network.parameters()) for name, network in self.side.named_children()}
        return layout_of(self.reader) | EncoderLayout(beside=[self.side], parts=parts)


@register("iisan", family="decoupled")
class IISAN(Method[IISANEncoder]):
    """Intra- and inter-modal side networks beside frozen towers (IISAN, SIGIR 2024)."""

    options = IISANOptions
    search = RATES | {"layers": Choice(("every-second", "all")), "bottleneck": Choice((16, 32, 64, 128))}
    published_batch = 64

    def item_encoder(self, backbones: Backbones, width: int) -> IISANEncoder:
        levels = side_levels(self.name, self.chosen.layers, backbones)
        # State 0 is always read: it has a block of its own, or the intra-modal networks start from it.
        blocks = {name: len(chosen) - (not self.chosen.first_state) for name, chosen in levels.items()}
        if not all(blocks.values()):
            raise BenchError(f"method '{self.name}': no layer is left to read; give other layers, or first_state=true")
        widths = {name: shape.width(levels[name][-1]) for name, shape in backbones.shapes.items()}
        return IISANEncoder(self.reader(backbones, levels), SideNetworks(widths, blocks, width, self.design()))

    def design(self) -> SideDesign:
        """The side networks that the options ask for."""
        chosen = self.chosen
        return SideDesign(chosen.networks, chosen.gated, chosen.bottleneck, first_state=chosen.first_state)

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> TowerReader | CacheReader:
        """Where the hidden states come from."""
        return TowerReader({name: backbones.tower(name) for name in levels}, levels, frozen=True)

    def learning_rates(self, encoder: IISANEncoder) -> LearningRates:
        side = encoder.side
        networks = side.networks()
        groups = {
            "side blocks": ([p for network in networks.values() for p in network.blocks.parameters()], 1e-4),
            "text dense": (_dense(networks, "text"), 5e-5),
            "image dense and gates": ([*_dense(networks, "image"), *_gates(networks, "image")], 1e-4),
        }
        taken = {id(parameter) for parameters, _ in groups.values() for parameter in parameters}
        groups["rest"] = ([p for p in side.parameters() if id(p) not in taken], 2e-4)
        return LearningRates({name: group for name, group in groups.items() if group[0]}, head=2e-4)


@register("iisan-cached", family="decoupled", uncached="iisan")
class IISANCached(IISAN):
    """The same side networks, reading the hidden states from the feature cache."""

    def reads(self, backbones: Backbones) -> Reads:
        return {name: States(levels) for name, levels in side_levels(self.name, self.chosen.layers, backbones).items()}

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> CacheReader:
        return CacheReader()


def _dense(networks: dict[str, SideNetwork], name: str) -> list[nn.Parameter]:
    return list(networks[name].dense.parameters()) if name in networks else []


def _gates(networks: dict[str, SideNetwork], name: str) -> list[nn.Parameter]:
    if name not in networks:
        return []
    gates = networks[name].gates
    return [] if gates is None else [gates]
