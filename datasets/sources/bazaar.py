"""The source `bazaar`: the generated shop, which needs no files."""

from ...files import canonical_json, digest
from ..bazaar.shop import VERSION, BazaarOptions, generate
from ..raw import RawData
from .registry import register
from .source import Source


@register("bazaar")
class Bazaar(Source):
    """a generated shop with titles and pictures, deterministic from its seed"""

    options = BazaarOptions
    takes_path = False

    def read(self) -> RawData:
        return generate(self.chosen)

    def fingerprint(self) -> str:
        return digest("bazaar", str(VERSION), canonical_json(self.chosen.model_dump(mode="json")))
