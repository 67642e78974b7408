"""The source `ducho`: a folder that features were extracted in by Ducho, as `Ducho meets Elliot` has them.

`train.tsv`, `val.tsv` and `test.tsv` (user, item, perhaps a rating) or `reviews.tsv`, none with a header or times;
`meta.tsv` with texts, `images/{item}.jpg`, and under `visual_embeddings…` and `textual_embeddings…` a folder an encoder
with `{item}.npy`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ...cell import Modality
from ...errors import BenchError
from ...files import digest
from ..raw import RawData
from ..tables.reading import column_names
from .published import ITEM, Columns, Published, listed
from .registry import register
from .tabular import Contents, ItemTable, TableOptions, Tabular
from .taken import Taken
from .vector_files import VectorFiles

_SPLIT = ("train.tsv", "val.tsv", "test.tsv")
_ROOMS: Mapping[Modality, str] = {"text": "textual_embeddings", "image": "visual_embeddings"}


class DuchoOptions(TableOptions):
    """Which encoder's features count, where there are several."""

    text_features: str | None = None
    """Of texts: some of the encoder's name, as in `mpnet`."""
    image_features: str | None = None
    """Of pictures: some of the encoder's name, as in `ResNet50`."""


@register("ducho")
class Ducho(Tabular):
    """a folder of Ducho's: splits, metadata, images, a .npy an item"""

    options = DuchoOptions

    def contents(self) -> Contents:
        there = self.there
        split = [file for name in _SPLIT for file in there.every(name)]
        files = split if len(split) == len(_SPLIT) else [there.one("interactions", "reviews.tsv")]
        header = ("user", "item", "rating")[: len(column_names(files[0]))]
        Columns(files[0], header).time(self.chosen.order)
        meta = Columns.of(there.one("texts", "meta.tsv"))
        return Contents(
            Taken(files, "user", "item", parts=(0, 1, 2) if files is split else None, header=header),
            ItemTable([meta.file], meta.pick("item", ITEM), meta.template(self.chosen.template)),
            there.pictures(),
        )

    @cached_property
    def _vectors(self) -> dict[Path, list[Path]]:
        """Files of vectors by their folder."""
        found: dict[Path, list[Path]] = {}
        for file in self.there.every("*.npy"):
            found.setdefault(file.parent, []).append(file)
        return found

    @cached_property
    def _encoders(self) -> dict[Modality, Path]:
        """The folder with the features of each modality that has any."""
        found: dict[Modality, Path] = {}
        for kind, room in _ROOMS.items():
            chosen = getattr(self.chosen, f"{kind}_features")
            folders = sorted(folder for folder in self._vectors if _is_in(self.there, folder, room))
            names = [str(folder.relative_to(self.path)) for folder in folders]
            fitting = [place for place, name in enumerate(names) if (chosen or "").lower() in name.lower()]
            if len(fitting) != 1 and (chosen or fitting):
                asked = f"{kind}_features = {chosen}" if chosen else f"{kind}_features"
                raise BenchError(
                    f"{self.path}: {len(fitting) or 'no'} encoders for {asked} among {listed(names) or 'none'}: "
                    f"choose {kind}_features = some of one's name"
                )
            if fitting:
                found[kind] = folders[fitting[0]]
        return found

    def completed(self, raw: RawData, contents: Contents) -> RawData:
        del contents
        features = {}
        for kind, folder in self._encoders.items():
            there = {file.stem: file for file in self._vectors[folder]}
            features[kind] = VectorFiles.gathered(folder, [there.get(name) for name in raw.ids])
        return replace(raw, features=features)

    def fingerprint(self) -> str:
        """Of the vectors of the chosen encoders too, their names and sizes."""
        files = [file for folder in self._encoders.values() for file in self._vectors[folder]]
        return digest(super().fingerprint(), *(f"{file.name} {file.stat().st_size}" for file in files))


def _is_in(there: Published, folder: Path, room: str) -> bool:
    return any(part.lower().startswith(room) for part in folder.relative_to(there.root).parts)
