"""What lies in the folder of a published dataset: its files found by pattern, its columns by their usual names."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from ...errors import BenchError, unknown
from ...files import is_file, is_folder
from ..pictures.finding import SUFFIXES, is_hidden
from ..tables.reading import column_names
from .texts import Template

DEPTH = 8
"""Folders below the named one that are looked into."""
PICTURES = ("images", "covers", "cover", "posters", "pictures", "*_images", "*_covers", "*_cover", "*_posters")
USER = ("user_id", "userid", "user", "uid", "reviewerid", "session_id", "customer_id", "u")
ITEM = ("item_id", "itemid", "item", "iid", "parent_asin", "asin", "movie_id", "movieid", "product_id", "business_id")
ITEM += ("book_id", "video_id", "news_id", "article_id", "track_id", "id", "i")
TIME = ("timestamp", "unix_timestamp", "time", "unixreviewtime", "datetime", "date", "t")
RATING = ("rating", "overall", "stars", "score", "r")
TEXT = ("title", "movie_title", "name", "item_name", "product_name", "book_title", "app_name", "text", "description")
"""What columns are usually called, whatever their case, the most telling first."""
_SHOWN = 6


@dataclass(frozen=True)
class Published:
    """The files below `root` that are no pictures, and the folders, relative to it, sorted.

    Patterns match their own names whatever the case.
    """

    root: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, usage: str) -> "Published":
        """Looks through a folder, but for what is hidden or a system's. BenchError when it cannot be looked through."""
        if is_file(root):
            raise BenchError(
                f"{root}: a file, where {usage} needs the folder of the dataset: unpack it, if it is packed"
            )
        if not is_folder(root):
            raise BenchError(f"{root}: there is no such folder: {usage} names the one with the dataset's files")
        files, folders = list[str](), list[str]()
        for place, below, names in os.walk(root, onerror=_cannot):
            here = os.path.relpath(place, root)
            prefix = "" if here == os.curdir else f"{here}{os.sep}"
            below[:] = sorted(name for name in below if not is_hidden(name))
            folders.extend(prefix + name for name in below)
            # A folder of covers has hundreds of thousands, of which no source asks for one by its name.
            others = (name for name in names if not name.lower().endswith(SUFFIXES))
            files.extend(prefix + name for name in others if not is_hidden(name))
            if prefix.count(os.sep) >= DEPTH:
                below.clear()
        return cls(root, tuple(sorted(files)), tuple(sorted(folders)))

    def every(self, *patterns: str) -> list[Path]:
        """The files whose own name matches one of the patterns: those of the first pattern that any matches.

        BenchError for a link that leads out of the folder.
        """
        for pattern in patterns:
            if found := _matching(self.files, pattern):
                return [self._own(name) for name in found]
        return []

    def perhaps(self, what: str, *patterns: str) -> Path | None:
        """The one such file, or None; BenchError, naming them, when there are several."""
        found = self.every(*patterns)
        return self.only(what, found, *patterns) if found else None

    def one(self, what: str, *patterns: str) -> Path:
        """The one such file; BenchError, saying what is there, when it is missing or there are several."""
        return self.only(what, self.every(*patterns), *patterns)

    def only(self, what: str, found: Sequence[Path], *patterns: str) -> Path:
        """The one of some files; BenchError unless it is one."""
        if not found:
            there = listed(self.files) or "nothing"
            raise BenchError(f"{self.root}: no file of {what} ({' or '.join(patterns)}); there is {there}: add it")
        if len(found) > 1:
            names = listed([str(file.relative_to(self.root)) for file in found])
            raise BenchError(f"{self.root}: several files of {what}: {names}: name the folder of one dataset")
        return found[0]

    def folder(self, *patterns: str) -> Path | None:
        """The first folder whose own name matches, the first pattern before the others."""
        found = (name for pattern in patterns for name in _matching(self.folders, pattern))
        return next(map(self._own, found), None)

    def below(self, folder: str, pattern: str) -> list[Path]:
        """The files in a folder of that name whose own name matches."""
        return [self._own(name) for name in _matching(self.files, pattern) if Path(name).parent.name.lower() == folder]

    def pictures(self) -> Path | None:
        """The folder of pictures, else a zip that is called as one."""
        return self.folder(*PICTURES) or self.perhaps("pictures", *(f"{pattern}.zip" for pattern in PICTURES))

    def _own(self, name: str) -> Path:
        path, root = self.root / name, Path(os.path.realpath(self.root))
        real = Path(os.path.realpath(path))
        is_cached = root.parent.name == "snapshots"  # as in the hub's cache, which links to what its versions share
        if not any(map(real.is_relative_to, [root, root.parents[1] / "blobs"] if is_cached else [root])):
            raise BenchError(f"{path}: a link to {real}, outside the dataset's folder: put what it names there instead")
        if not (is_file(path) or is_folder(path)):
            raise BenchError(f"{path}: neither a file nor a folder: remove it")
        return path


@dataclass(frozen=True)
class Columns:
    """The columns of one table."""

    file: Path
    names: Sequence[str]

    @classmethod
    def of(cls, file: Path) -> "Columns":
        """As the header says; BenchError when the file is no table."""
        return cls(file, column_names(file))

    def pick(self, what: str, usual: Sequence[str], chosen: str | None = None) -> str:
        """The column that was chosen, else the first of its usual names; BenchError when there is none."""
        found = self.perhaps(usual, chosen)
        if found is None and chosen:
            raise BenchError(f"{self.file}: {what}={chosen}: {unknown('column', chosen, list(self.names[:50]))}")
        if found is None:
            raise BenchError(
                f"{self.file}: no column of {what} ({listed(usual)}) among its columns {listed(self.names)}: rename one"
            )
        return found

    def perhaps(self, usual: Sequence[str], chosen: str | None = None) -> str | None:
        """The same, or None when there is none."""
        if chosen:
            return chosen if chosen in self.names else None
        known = {name.lower(): name for name in reversed(self.names)}
        return next((known[name.lower()] for name in usual if name.lower() in known), None)

    def time(self, order: str, chosen: str | None = None) -> str | None:
        """The column that says when; None where it was said that rows stand in order (`order` is "rows")."""
        if order == "rows":
            return None
        found = self.pick("time", TIME, chosen) if chosen else self.perhaps(TIME)
        if found is None:
            raise BenchError(
                f"{self.file}: no column says when ({listed(TIME)}), among {listed(self.names)}: "
                "if each user's rows stand in time order say so with order=rows"
            )
        return found

    def template(self, written: str | None, usual: Sequence[str] = TEXT) -> Template:
        """What texts are made of, as it was written, else the first column of a usual name."""
        template = Template.of(written or self.pick("text", usual))
        for name in template.fields:
            self.pick("text", (), name)
        return template


def _matching(names: Sequence[str], pattern: str) -> list[str]:
    fits = re.compile(translate(pattern.lower())).match
    return [name for name in names if fits(name.rpartition(os.sep)[2].lower())]


def listed(names: Sequence[str]) -> str:
    """The first names of some, and how many more there are."""
    shown = [name[:60] for name in names[:_SHOWN]]
    return ", ".join([*shown, f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else shown)


def _cannot(error: OSError) -> None:
    raise BenchError(f"{error.filename}: cannot be looked through ({error.strerror}): mend or remove it") from error
