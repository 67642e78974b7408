"""What `bench cache` does: lists, verifies and clears the feature caches and image stores."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from ..errors import BenchError
from ..files import cache_directory, file_digest, lock
from ..reports.grid import Grid


@dataclass(frozen=True)
class Entry:
    """A folder of the cache. `about` is what it says of itself, empty while it is being built."""

    kind: str
    folder: Path
    about: dict[str, Any]

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
        if not self.about:
            return "unfinished: the next run goes on with it"
        if self.kind == "images":
            return f"{self.about['items']} pictures at {self.about['side']} px, {self.about['missing']} missing"
        levels = ", ".join("output" if level < 0 else str(level) for level in self.about["levels"])
        return f"{self.about['backbone']} ({self.about['modality']}), levels {levels}, {self.about['dtype']}"


def entries() -> list[Entry]:
    """Everything in the cache, features first."""
    return [*_entries("features", "entry.json"), *_entries("images", "about.json")]


def listing() -> Grid:
    """All entries with sizes, ages and what each belongs to."""
    found = entries()
    table = Grid("entry", "kind", "size", "age", "what", box=None, caption=f"in {cache_directory()}")
    for entry in found:
        table.add_row(entry.folder.name[:16], entry.kind, decimal(entry.bytes), entry.age, entry.description)
    table.add_row("total", "", decimal(sum(entry.bytes for entry in found)), "", "")
    return table


def verify() -> list[str]:
    """Checks every feature cache against its checksums; a line for each file that is missing or changed."""
    faults = []
    for entry in entries():
        for name, checksum in entry.about.get("sha256", {}).items():
            path = entry.folder / name
            if not path.exists():
                faults.append(f"{path}: missing; remove the folder and it is built again")
            elif file_digest(path) != checksum:
                faults.append(f"{path}: changed since it was written; remove the folder and it is built again")
    return faults


def clear(names: list[str]) -> list[Entry]:
    """Removes the entries whose names start so, or all when none is given. BenchError for a name that fits none."""
    found = entries()
    for name in names:
        if not any(entry.folder.name.startswith(name) for entry in found):
            raise BenchError(f"no cache entry starts with '{name}'; `bench cache list` shows them")
    chosen = [entry for entry in found if not names or any(entry.folder.name.startswith(name) for name in names)]
    for entry in chosen:
        with lock(entry.folder):  # not while another process builds it
            shutil.rmtree(entry.folder)
    return chosen


def _entries(kind: str, about: str) -> Iterator[Entry]:
    base = cache_directory() / kind
    for folder in sorted(path for path in base.glob("*") if path.is_dir()):
        path = folder / about
        yield Entry(kind, folder, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
