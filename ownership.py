"""Which folders are ours. What the suite fills carries a marker: without it nothing is overwritten or deleted there.

A new or an empty folder is taken and marked. A study may also stand beside somebody's files, in a folder where nothing
has a name that it takes. Links are never followed when deleting.
"""

import os
import shutil
from pathlib import Path

from .errors import BenchError, quoted
from .files import cache_directory, read_bytes, write_atomic

MARKER = ".tpmebench"
STUDY_FOLDERS = ("records", "ranks", "logs", "checkpoints", "saved", "pictures", "checks")
"""What a study keeps in its directory, a folder each; nothing else belongs in them."""
_TEXT = "This folder was made by tpme-bench, which may overwrite and delete what is in it.\n"
_SHARED = (
    f"tpme-bench keeps its report.* and {', '.join(STUDY_FOLDERS)} here and may overwrite and delete these alone.\n"
)


def is_ours(folder: Path) -> bool:
    """Whether a folder, itself no link, carries the marker."""
    marker = folder / MARKER
    return not folder.is_symlink() and marker.is_file() and not marker.is_symlink()


def take(folder: Path) -> None:
    """Makes a folder and marks it as ours. BenchError when it is there with files in it and has no marker."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_ours(folder):
        return
    if any(folder.iterdir()):
        raise BenchError(f"{folder}: holds files that are not ours; move them away")
    take_over(folder)


def take_over(folder: Path) -> None:
    """Marks a folder that is known to be ours by what it holds, as versions that set no marker left it."""
    if not is_ours(folder):
        write_atomic(folder / MARKER, _TEXT)


def remove(folder: Path) -> None:
    """Deletes a folder of ours, and of links in it the links alone. BenchError when not all of it is ours."""
    if not is_ours(folder) or read_bytes(folder / MARKER, _MARKER_BYTES) == _SHARED.encode():
        raise BenchError(f"{folder}: not made by this command, so it is not removed; remove it yourself")
    shutil.rmtree(folder)


def check_output(folder: Path, option: str, *, beside: bool = False) -> None:
    """BenchError, naming `option`, when a folder is none to write results into. Changes nothing.

    It may be one of ours, a study's of a version that set no marker, or a new or empty one outside the cache. `beside`:
    somebody's files may be in it, of which none has a name that results take, where the caller knows what they are.
    """
    try:
        check_place(folder, option)
        taken = None if not folder.exists() or is_ours(folder) or _is_older(folder) else _taken(folder, beside)
    except (OSError, ValueError) as error:
        raise _unusable(folder, option, error) from error
    if taken:
        raise BenchError(f"{option} {folder}: holds {quoted(taken)}, not ours; name a new or an empty directory")


def claim(folder: Path, option: str, *, beside: bool = False) -> None:
    """Makes a folder ours to write results into; BenchError as `check_output`, or when it cannot be made."""
    check_output(folder, option, beside=beside)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (is_ours(folder) or _is_older(folder)):
            write_atomic(folder / MARKER, _SHARED if any(folder.iterdir()) else _TEXT)
    except (OSError, ValueError) as error:
        raise _unusable(folder, option, error) from error


def _taken(folder: Path, beside: bool) -> str | None:
    """The first entry of a folder, or of those by a name that results take."""
    names = sorted(path.name for path in folder.iterdir())
    if beside:
        names = [name for name in names if name.lower().startswith(("report.", MARKER)) or name in STUDY_FOLDERS]
    return next(iter(names), None)


def check_place(place: Path, option: str) -> None:
    """BenchError, naming `option`, when a file or folder would stand in the cache, or among what a study keeps."""
    refuse_inside(place, cache_directory(), option, "the cache, which may be cleared at any time")
    real = Path(os.path.realpath(place))
    for folder in (real, *real.parents):
        if folder.name in STUDY_FOLDERS and (is_ours(folder.parent) or _is_older(folder.parent)):
            raise BenchError(f"{option} {place}: lies among the {folder.name} of a study; name another place")


def refuse_inside(folder: Path, guarded: Path, option: str, what: str) -> None:
    """BenchError when `folder` is, or lies in, one that must keep its own files alone, links followed on both sides."""
    inner, outer = (Path(os.path.realpath(path)) for path in (folder, guarded))
    if inner.is_relative_to(outer):
        raise BenchError(f"{option} {folder}: lies in {guarded}, {what}; name another directory")


def _is_older(folder: Path) -> bool:
    """Whether a study of a version that set no marker left its records here: names of sixteen hex digits.

    A report that does not speak of TPME is somebody's own, and so is the folder.
    """
    if is_ours(folder):
        return False
    names = [path.stem for path in (folder / "records").glob("*.json")]
    reports = [path for path in (folder / f"report.{kind}" for kind in ("md", "html", "tex")) if path.exists()]
    ours = all(len(name) == 16 and set(name) <= set("0123456789abcdef") for name in names)
    return bool(names) and ours and all(b"TPME" in read_bytes(path, _REPORT_BYTES) for path in reports)


_REPORT_BYTES = 1 << 28
_MARKER_BYTES = 1 << 12


def _unusable(folder: Path, option: str, error: OSError | ValueError) -> BenchError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return BenchError(f"{option} {folder}: cannot be used ({reason}); name another directory")
