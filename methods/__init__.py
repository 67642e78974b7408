"""The methods, one file each, with what they share: towers, feature cache, fusion, head and loss.

What the author of a method needs is here by name, and is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backbones.pair import Backbones
    from .backbones.tower import OUTPUT, Tower, TowerShape
    from .encoder import EncoderLayout, ItemEncoder
    from .features.readers import CachedSequenceReader, CacheReader, SequenceReader, TowerReader
    from .fusion import FusedEncoder, TowerMethod, TowerRates, output_levels
    from .inputs import ItemInputs, Raw, Reads, States
    from .method import Dropout, LearningRates, Method, Options, Rank, Scale, trainable
    from .references.ranker import Ranker, Scorer, Shelf
    from .registry import make_method, methods, register

__all__ = [
    "OUTPUT",
    "Backbones",
    "CacheReader",
    "CachedSequenceReader",
    "Dropout",
    "EncoderLayout",
    "FusedEncoder",
    "ItemEncoder",
    "ItemInputs",
    "LearningRates",
    "Method",
    "Options",
    "Rank",
    "Ranker",
    "Raw",
    "Reads",
    "Scale",
    "Scorer",
    "SequenceReader",
    "Shelf",
    "States",
    "Tower",
    "TowerMethod",
    "TowerRates",
    "TowerReader",
    "TowerShape",
    "make_method",
    "methods",
    "output_levels",
    "register",
    "trainable",
]

_HOME = {
    ".method": ("Dropout", "LearningRates", "Method", "Options", "Rank", "Scale", "trainable"),
    ".fusion": ("FusedEncoder", "TowerMethod", "TowerRates", "output_levels"),
    ".encoder": ("EncoderLayout", "ItemEncoder"),
    ".inputs": ("ItemInputs", "Raw", "Reads", "States"),
    ".features.readers": ("CacheReader", "CachedSequenceReader", "SequenceReader", "TowerReader"),
    ".backbones.pair": ("Backbones",),
    ".backbones.tower": ("OUTPUT", "Tower", "TowerShape"),
    ".references.ranker": ("Ranker", "Scorer", "Shelf"),
    ".registry": ("make_method", "methods", "register"),
}


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOME.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
