"""What is said of a file that cannot be read as a table: whichever library finds it, one line with file and place."""

import codecs
import csv
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ...errors import BenchError
from ...files import reason
from .unpacking import unpacked


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Makes what the readers raise while a file is read a BenchError that names it."""
    try:
        yield
    except UnicodeError as error:
        raise BenchError(f"{path}{_undecodable(path)}: not UTF-8 text: convert the file to UTF-8") from error
    except csv.Error as error:
        raise BenchError(f"{path}, line 1: not a table's header ({error}): name its columns there") from error
    except _BROKEN as error:
        raise BenchError(f"{path}: cannot be read as a table: {reason(error)}") from error


_BROKEN = (
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    pa.ArrowException,
)


def _undecodable(path: Path) -> str:
    """The line of the first byte that is not UTF-8, as a place within a file; empty when there is none."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with unpacked(path) as source:
        while part := source.read(1 << 20):
            try:
                lines += decoder.decode(part).count("\n")
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                return f", line {lines}"
    return ""
