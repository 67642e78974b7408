"""What ended a cell, in the words of its record."""

import errno

from ...errors import BenchError
from ...reports.records import Status
from ..tasks.task import Diverged

_LIBRARIES = "_STATUS_ALLOC_FAILED"
"""cuBLAS and cuDNN take memory on the card beside torch's allocator, and say so when they get none."""


def classify(error: BaseException) -> Status:
    """The status of a cell that an error ended."""
    if isinstance(error, BenchError):
        return "refused"
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "oom" if out_of_memory(error) else "crashed"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that host or device memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(
        phrase in str(error)
        for phrase in ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", _LIBRARIES)
    )


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, BenchError):
        return text  # written for the user already
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
