"""The feature caches and image stores of this machine: listed, verified and cleared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout
from rich.filesize import decimal

from ...errors import BenchError
from ...files import cache_directory, lock, read_json
from ...ownership import is_ours, remove, take_over
from ...reports.formats.grid import Grid

_ABOUT = {"features": "entry.json", "images": "about.json"}
_NAME = re.compile(r"[0-9a-f]{32}(\.partial)?")


@dataclass(frozen=True)
class Entry:
    """A folder of the cache. `about` is what it says of itself: empty while it is being built, None when unreadable."""

    kind: str
    folder: Path
    about: dict[str, Any] | None

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @property
    def age(self) -> str:
        """Time since it was last written, in the largest fitting unit."""
        seconds = datetime.now(UTC).timestamp() - self.folder.stat().st_mtime
        for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
            if seconds >= size:
                return f"{seconds / size:.0f} {unit}"
        return f"{seconds:.0f} s"

    @property
    def description(self) -> str:
        """What it belongs to."""
        about = self.about
        if about is None:
            return f"damaged: {_ABOUT[self.kind]} cannot be read; clear it"
        if not about:
            return "unfinished: the next run goes on with it"
        try:
            if "checked" in about:
                return f"{about['checked']} pictures checked, {len(about['bad'])} bad"
            if self.kind == "images":
                return f"{about['items']} pictures at {about['side']} px, {about['missing']} missing"
            levels = ", ".join("output" if level < 0 else str(level) for level in about["levels"])
            where = " at all positions" if about.get("positions") == "all" else ""
            return f"{about['backbone']} ({about['modality']}), levels {levels}{where}, {about['dtype']}"
        except (KeyError, TypeError):
            return "of another version: it is not read"

    @property
    def lock_target(self) -> Path:
        """What a process that builds the entry holds a lock on."""
        return self.folder.with_name(self.folder.name.removesuffix(".partial"))


@dataclass
class Cleared:
    """What `clear` did: the entries it removed, and those that a process was building meanwhile."""

    removed: list[Entry] = field(default_factory=list)
    busy: list[Entry] = field(default_factory=list)


def entries() -> list[Entry]:
    """Everything in the cache that we made, features first."""
    return [entry for kind in _ABOUT for entry in _entries(kind)]


def entries_table() -> Grid:
    """All entries with sizes, ages and what each belongs to."""
    found = entries()
    table = Grid("entry", "kind", "size", "age", "what", box=None, caption=f"in {cache_directory()}")
    for entry in found:
        table.add_row(entry.folder.name[:16], entry.kind, decimal(entry.bytes), entry.age, entry.description)
    table.add_row("total", "", decimal(sum(entry.bytes for entry in found)), "", "")
    return table


def verify() -> list[str]:
    """Checks every entry against its checksums; a line for each file that is missing, changed or unreadable."""
    from ...datasets import images
    from ...methods.features import cache as feature_cache

    checks = {"features": feature_cache.verify, "images": images.verify}
    return [fault for entry in entries() if entry.about != {} for fault in checks[entry.kind](entry.folder)]


def clear(names: list[str]) -> Cleared:
    """Removes the entries whose names start so, or all when none is given. BenchError for a name that fits none.

    An entry that another process is building stays, and so does whatever we did not make.
    """
    found = entries()
    for name in names:
        if not any(entry.folder.name.startswith(name) for entry in found):
            raise BenchError(f"no cache entry starts with '{name}'; `bench cache list` shows them")
    chosen = [entry for entry in found if not names or any(entry.folder.name.startswith(name) for name in names)]
    done = Cleared()
    for entry in chosen:
        try:
            with lock(entry.lock_target).acquire(timeout=0):
                take_over(entry.folder)  # of a version that set no marker
                remove(entry.folder)
                done.removed.append(entry)
        except Timeout:
            done.busy.append(entry)
    return done


def _entries(kind: str) -> Iterator[Entry]:
    """The folders of one kind that carry our marker, or that a version without markers left: what they say tells."""
    base = cache_directory() / kind
    if base.is_symlink() or not base.is_dir():
        return
    for folder in sorted(path for path in base.iterdir() if path.is_dir() and not path.is_symlink()):
        about = _about(folder / _ABOUT[kind])
        if is_ours(folder) or (_NAME.fullmatch(folder.name) and about and about.get("version")):
            yield Entry(kind, folder, about)


def _about(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return {}
    try:
        found = read_json(path)
    except BenchError:
        return None
    whole = isinstance(found, dict) and found and isinstance(found.get("sha256", {}), dict)
    return found if whole else None
