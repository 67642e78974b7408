"""Types of the values that studies and records hold, with their bounds: each is said here once.

The bounds are wide. They keep out what nobody means (a billion seeds, an infinite rate, a folder's name with a
separator) and what would break or never end further on.
"""

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from .files import canonical_json

_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's control characters, halves of surrogate pairs, line and paragraph separators."""
_PATH_PART_BYTES = 100
"""File systems take 255 bytes; what is put before and after a name must fit beside it."""


def _seen(text: str) -> str:
    if any(unicodedata.category(sign) in _UNSEEN for sign in text):
        raise ValueError("no control characters or line ends are allowed")
    return text


def _whole(text: str) -> str:
    text.encode()  # half of a surrogate pair is no text
    return text


def _path_part(text: str) -> str:
    if not text.strip() or text.startswith(".") or "/" in text or "\\" in text:
        raise ValueError("it names a folder: no separators, no dot at its beginning, and not empty")
    if len(text.encode()) > _PATH_PART_BYTES:
        raise ValueError(f"it names a folder: at most {_PATH_PART_BYTES} bytes")
    return text


def _as_json(values: Any) -> Any:
    try:
        canonical_json(values).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("values should be finite numbers, text, true or false, lists or tables") from error
    return values


_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*(B|[kMGT]B|[KMGT]iB)\s*")
_SIZE_UNITS = {"B": 1} | {
    f"{letter}{suffix}": base**power
    for suffix, base in (("iB", 1024), ("B", 1000))
    for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K" if base == 1024 else "k"))
}
_MOST_BYTES = 10**15


def size_in_bytes(text: str) -> int:
    """Bytes of a size such as `24GiB` or `80GB`. ValueError for what is none, or not between a byte and a petabyte."""
    found = _SIZE.fullmatch(text)
    size = int(Decimal(found[1]) * _SIZE_UNITS[found[2]]) if found else 0
    if not 1 <= size <= _MOST_BYTES:
        raise ValueError("give a size with its unit, as in '24GiB' or '80GB'")
    return size


def written_size(size: int) -> str:
    """Bytes as a size in the largest unit that leaves no fraction."""
    units = [unit for unit, of_unit in _SIZE_UNITS.items() if size % of_unit == 0]
    unit = max(units, key=lambda each: _SIZE_UNITS[each])
    return f"{size // _SIZE_UNITS[unit]}{unit}"


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Name = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_seen)]
"""Of a method, a dataset or a backbone, as a study gives it: a path, perhaps."""
RecordedName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_whole)]
"""The same as a record of whatever origin has it: to be read, and shown with its control characters escaped."""
Note = Annotated[str, Field(max_length=1000)]
"""What a study says of itself, in a sentence or two."""
PathPart = Annotated[str, AfterValidator(_seen), AfterValidator(_path_part)]
"""What becomes one part of a path."""
Moment = Annotated[str, AfterValidator(_moment)]
"""Date and time in ISO 8601."""
MemorySize = Annotated[str, AfterValidator(lambda text: written_size(size_in_bytes(text)))]
"""Of a memory: a number and its unit, always written alike; `size_in_bytes` reads it."""
CellID = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
JSONTable = Annotated[dict[str, Any], AfterValidator(_as_json)]
JSONList = Annotated[list[Any], AfterValidator(_as_json)]

TimeUnit = Literal["s", "ms", "us", "ns"]
"""Of a moment as a number since 1970."""

Count = Annotated[int, Field(ge=0, le=10**18)]
"""Of things, bytes or operations."""
Number = Annotated[float, Field(ge=0, le=1e18)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
PositiveSeconds = Annotated[float, Field(gt=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]

Repetitions = Annotated[int, Field(ge=1, le=1000)]
"""Seeds, or timing repeats of each."""
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Batch = Annotated[int, Field(ge=1, le=1_000_000)]
Width = Annotated[int, Field(ge=2, le=65_536)]
HistoryLength = Annotated[int, Field(ge=1, le=10_000)]
TextLength = Annotated[int, Field(ge=4, le=100_000)]
ImageSide = Annotated[int, Field(ge=8, le=8192)]
Threads = Annotated[int, Field(ge=0, le=4096)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=1e3)]
RateScale = Annotated[float, Field(gt=0, le=1e6)]
