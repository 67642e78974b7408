"""The contract of a source: a kind of dataset, which knows how to name one, to read it and to tell when it changed."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from ..raw import RawData


class Options(BaseModel):
    """Base of a source's options: an unknown or ill-typed option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(ABC):
    """A dataset that is named but not read yet: `NAME`, `NAME:PATH`, `NAME:option=value,…` or `NAME:PATH:option=…`.

    `path` is what was named, of a source that `takes_path`; `chosen` are its `options` as they were chosen. `name` and
    `summary` (the first line of the class's docstring) are set by `register`, and `usage` unless a class has its own.
    """

    name: ClassVar[str] = ""
    usage: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    options: ClassVar[type[BaseModel]] = Options
    takes_path: ClassVar[bool] = True

    def __init__(self, path: Path, chosen: Any) -> None:
        self.path, self.chosen = path, chosen

    @abstractmethod
    def read(self) -> "RawData":
        """The data as they stand in the source; BenchError, with file and line, for whatever is wrong with them."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when the data do; cheap: pictures count by name and size alone."""

    def former_fingerprint(self) -> str:
        """What `fingerprint` was in versions up to 0.1, so that their records are known to be of the same data."""
        return self.fingerprint()

    def label(self, written: str) -> str:
        """What the dataset is called wherever its files stand; `written` are its options as they were given."""
        place = self.path.resolve().name if self.takes_path else ""
        return ":".join(filter(None, (self.name, place, written)))

    def picture_folders(self) -> list[Path]:
        """The folders whose pictures are shown: whatever is put there would count as a part of the dataset."""
        return []

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        """What can be told from headers and names alone, a line each; misspelt columns are BenchErrors.

        `pictures`: whether any are to be shown. `strict`: that not one is there under the name looked for is an error.
        """
        del pictures, strict
        return []

    def without_texts(self) -> str:
        """What to do when texts are asked for and `read` has found none."""
        return "use --modalities image"

    def without_pictures(self) -> str:
        """What to do when pictures are asked for and `read` has found none."""
        return "use --modalities text"
