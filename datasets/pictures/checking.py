"""Which pictures can be decoded: tried once, all of them, and remembered until a file changes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import PIL

from ...errors import BenchError
from ...files import cache_directory, canonical_json, digest, read_json, write_atomic
from ...ownership import take
from .decoding import BadPicture, decode, quietly
from .parallel import in_chunks
from .places import PictureFile

VERSION = "1"  # of what is found bad, and in which words
_SIDE = 8
_CHUNK = 64


def find_bad(files: Sequence[PictureFile]) -> dict[int, str]:
    """The places in `files` of those that cannot be decoded, and why, as `NAME (why)`.

    What was found is kept in the suite's cache under names, sizes and times of change: a stat of each file tells
    whether it still holds.
    """
    stamps = in_chunks(lambda part: [files[row].stamp() for row in part], len(files), _CHUNK)
    names = [f"{file} {stamp}" for file, stamp in zip(files, stamps, strict=True)]
    key = digest("checked pictures", VERSION, PIL.__version__, *names)
    folder = cache_directory() / "images" / key[:32]
    bad = _remembered(folder, key)
    if bad is None:
        with quietly():
            reasons = list(in_chunks(lambda part: [_why(files[row]) for row in part], len(files), _CHUNK))
        bad = {row: f"{files[row].name} ({why})" for row, why in enumerate(reasons) if why}
        about = {"digest": key, "checked": len(files), "bad": {str(row): why for row, why in bad.items()}}
        with suppress(OSError, BenchError):  # where nothing can be kept, the next one checks again
            take(folder)
            write_atomic(folder / "about.json", canonical_json(about | {"version": VERSION}))
    return bad


def _remembered(folder: Path, key: str) -> dict[int, str] | None:
    try:
        about = read_json(folder / "about.json")
        if not isinstance(about, Mapping) or about.get("digest") != key:
            return None
        return {int(row): str(why) for row, why in about["bad"].items()}
    except (BenchError, KeyError, ValueError, AttributeError):
        return None


def _why(file: PictureFile) -> str:
    """Why a picture cannot be decoded, "" when it can."""
    try:
        decode(file, _SIDE, quick=True)
    except BadPicture as bad:
        return bad.reason
    except BenchError as error:
        return str(error).removeprefix(f"{file}: ").rpartition(": ")[0]
    return ""
