"""The pair of backbones as a method sees it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ...errors import BenchError
from .numbered import NumberedTower
from .source import BackboneSource
from .tower import Tower, TowerShape


@dataclass
class Backbones:
    """The pair as a method sees it: shapes at once, towers when asked for, and the size of the catalogue to serve.

    A method that reads the feature cache never asks for a tower, so none is loaded.
    """

    shapes: Mapping[str, TowerShape]
    load: Callable[[str], Tower | NumberedTower]
    items: int
    loaded: dict[str, Tower] = field(default_factory=dict)

    @property
    def modalities(self) -> list[str]:
        """In the fixed order text, image."""
        return list(self.shapes)

    def tower(self, modality: str) -> Tower:
        """The tower of a modality, loaded at first use. BenchError for one without a model to run."""
        if modality not in self.loaded:
            found = self.load(modality)
            if not isinstance(found, Tower):
                raise BenchError(found.refusal)
            self.loaded[modality] = found
        return self.loaded[modality]

    @classmethod
    def of(cls, sources: dict[str, BackboneSource], items: int) -> "Backbones":
        """The chosen backbones for a catalogue of `items` items."""
        return cls(_Shapes(sources), lambda name: sources[name].tower(), items)


@dataclass(frozen=True)
class _Shapes(Mapping[str, TowerShape]):
    """Each read from its source when it is asked for: item numbers alone need no backbone."""

    sources: dict[str, BackboneSource]

    def __getitem__(self, modality: str) -> TowerShape:
        return self.sources[modality].shape

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)
