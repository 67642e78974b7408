"""Whether the places that a study writes to can be written, asked before its first cell trains."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...errors import BenchError
from ...files import CACHE_FOLDERS, cache_directory
from ...ownership import STUDY_FOLDERS
from ..study.grid import Planned, reads_towers

_CACHE = "set TPMEBENCH_CACHE to a folder that can be written"


def check_places(directory: Path, cells: Sequence[Planned]) -> None:
    """BenchError, naming the place and the option or variable to set, when a cell would find no room for its files."""
    if not cells:
        return
    for name in STUDY_FOLDERS:
        folder = directory / name
        taken = folder.exists() or folder.is_symlink()
        _check(folder if taken else directory, "name another directory with --out")
    if any(_fills_cache(planned) for planned in cells):
        for name in CACHE_FOLDERS:
            _check(cache_directory() / name, _CACHE)
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise BenchError("no folder for temporary files can be written; set TMPDIR to one that can") from error


def _fills_cache(planned: Planned) -> bool:
    """Whether a cell keeps decoded pictures or features; towers whose states come from a formula may not."""
    method, image = planned.method, planned.cell.backbones.image
    keeps_features = bool(method.uncached) or method.kind == "ranker"
    return reads_towers(method) and (keeps_features or image is not None)


def _check(folder: Path, remedy: str) -> None:
    """Makes a folder, if need be, and writes a file in it, of which nothing stays."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written ({error.strerror}); {remedy}") from error
