"""What is no table, told by its first bytes: what it is, and what to do instead."""

import re
from pathlib import Path

from ...errors import BenchError
from .unpacking import packing_of

_BINARY = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", "save its sheet as CSV (UTF-8)"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x93NUMPY", "a NumPy array", "write its columns as CSV or Parquet"),
    (b"\x89HDF\r\n", "an HDF5 file", "write it as CSV or Parquet"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"\x89PNG", "a picture (PNG)", "name the table"),
    (b"\xff\xd8\xff", "a picture (JPEG)", "name the table"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the table in it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it and name the table in it"),
    (b"PAR1", "Parquet that is packed", "unpack it"),
    (b"PK\x05\x06", "an empty zip archive", "name the table"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "fetch it with git lfs pull"),
)
_WEB_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|table|script)\b", re.I | re.S
)
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x80-\x9f\x00(\]}cKXJ)]")


def refuse_foreign(path: Path, head: bytes) -> None:
    """BenchError when a file (or what it unpacks to) that begins with `head` is of a kind that holds no table."""
    for magic, kind, remedy in _BINARY:
        if head.startswith(magic):
            raise _refusal(path, kind, remedy)
    if packing := packing_of(head):
        raise _refusal(path, f"packed twice, last with {packing}", "unpack it once")
    if head[257:262] == b"ustar":
        raise _refusal(path, "a tar archive", "unpack it and name the table in it")
    if _PICKLE.match(head):
        raise _refusal(path, "a Python pickle, which is never opened", "write it as CSV or Parquet")
    if _WEB_PAGE.match(head):
        raise _refusal(path, "a web page", "the download failed or needs a login: fetch the file itself")
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<?xml"):
        raise _refusal(path, "XML", "export the table as CSV")


def _refusal(path: Path, kind: str, remedy: str) -> BenchError:
    return BenchError(f"{path}: {kind}, where a table is needed: {remedy}")
