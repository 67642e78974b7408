"""Files: read within bounds, written whole or not at all, hashed; and where the suite keeps what it can rebuild."""

import errno
import hashlib
import io
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock

from .errors import BenchError, quoted

TOML_BYTES = 1 << 18
JSON_BYTES = 1 << 26
"""The largest file of a kind that is read; a tokenizer's JSON takes 20 MB, a long cell's record 1 MB."""
NESTING = 64
"""How deep lists and tables may stand in one another: what is deeper is a mistake, and breaks what walks through it."""


CACHE_FOLDERS = ("images", "features")
"""What the cache is divided into."""


def cache_directory() -> Path:
    """Where decoded images and feature caches live: `TPMEBENCH_CACHE`, else the user's cache folder."""
    named = os.environ.get("TPMEBENCH_CACHE")
    if named:
        if not is_possible(Path(named)):
            raise BenchError(f"TPMEBENCH_CACHE {quoted(named)}: no file can have such a name; name a folder")
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "tpmebench"
    except RuntimeError as error:  # neither HOME nor an entry for the user
        raise BenchError("this user has no home for the cache; set TPMEBENCH_CACHE to a folder") from error


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside `target`; when the block ends well it is flushed to disk and takes target's name.

    When the block raises, the temporary file is removed and `target` stays as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        if error.filename in {None, str(temporary), str(target.parent)}:  # a failed write does not even say where
            error.filename = str(target)
        raise
    finally:
        with suppress(OSError):  # where none can be written, none can be removed
            temporary.unlink()


def write_atomic(target: Path, content: str | bytes) -> None:
    """Writes a whole file or leaves what was there."""
    with atomic_path(target) as temporary:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)


def set_aside(path: Path) -> Path:
    """Gives what cannot be used, a file or a folder, a free name beside its own, which it returns."""
    for number in count(1):
        aside = path.with_name(f"{path.name}.unusable-{number}")
        if not aside.exists() and not aside.is_symlink():
            return path.rename(aside)
    raise AssertionError("numbers do not end")


def remedy(error: OSError) -> str | None:
    """What a user can do about an error of the system; None for one that nobody expects."""
    if error.errno in _FULL:
        return "make room and run the same command again"
    advice = next((advice for codes, advice in _REMEDIES if error.errno in codes), None)
    return advice if error.filename else None  # without the place there is nothing to mend


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REMEDIES = (
    ({errno.EACCES, errno.EPERM, errno.EROFS}, "name a place that you may read and write, or allow it"),
    (
        {errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY},
        "name another place",
    ),
    ({errno.EMFILE, errno.ENFILE}, "close other programs, or allow more open files with ulimit -n"),
    ({errno.EBUSY, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETXTBSY}, "look after the disk it is on"),
)


def canonical_json(value: Any) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(*parts: str | bytes) -> str:
    """SHA-256, in hex, of the parts, each preceded by its length so that no two lists collide."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256, in hex, of a regular file's bytes; BenchError when it cannot be read."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_file(path: Path, most: int | None = None) -> Iterator[io.BufferedReader]:
    """A regular file, open for reading, of at most `most` bytes.

    A folder, pipe, device or socket is refused before it is opened, so that nothing waits and nothing is endless.
    Every OSError until the block ends, and a name that no file can have, is a BenchError that names the file.
    """
    with _named(path), _opened(path) as file:
        if most is not None and os.fstat(file.fileno()).st_size > most:
            raise too_large(path, most)
        yield file


def is_possible(path: Path) -> bool:
    """Whether a file can have such a name: parts of at most 255 bytes, nothing that no name holds."""
    try:
        parts = [os.fsencode(part) for part in path.parts]
    except UnicodeEncodeError:
        return False
    return max(map(len, parts), default=0) <= 255 and b"\0" not in b"".join(parts) and len(str(path)) <= 4000


def is_folder(path: Path) -> bool:
    """Whether a folder that can be looked at stands under a name, whatever the name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether a regular file stands under a name, whatever the name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_bytes(path: Path, most: int) -> bytes:
    """A regular file's content; BenchError when it cannot be read or has more than `most` bytes."""
    with open_file(path, most) as file:
        content = file.read(most + 1)  # a file that grows, or states no size, is bounded too
    if len(content) > most:
        raise too_large(path, most)
    return content


def read_text(path: Path, most: int) -> str:
    """The same for UTF-8 text; BenchError names the line that isn't."""
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BenchError(f"{path}, line {line}: not UTF-8 (byte {error.start}): save the file as UTF-8 text") from error


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's values; BenchError, naming the file, for whatever is wrong with it."""
    return parse_toml(read_text(path, TOML_BYTES), str(path))


def read_json(path: Path, most: int = JSON_BYTES) -> Any:
    """A JSON file's value; BenchError, naming the file, for whatever is wrong with it."""
    return parse_json(read_text(path, most), str(path))


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The values of TOML text; BenchError begins with `origin`, a file or an option."""
    if _has_endless_key(text):
        raise BenchError(f"{origin}: not valid TOML: a key of more than 200 parts: mend it")
    try:
        return _shallow(tomllib.loads(text), origin)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{origin}: not valid TOML: {reason(error)}: mend it") from error


def parse_json(text: str, origin: str) -> Any:
    """The value of JSON text; BenchError begins with `origin`. Half a surrogate pair is no text, so none is read."""
    try:
        value = _shallow(json.loads(text), origin)
        if _HALF_PAIR.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{origin}: not valid JSON: {reason(error)}: mend the file or remove it") from error


def too_large(path: Path, most: int) -> BenchError:
    """The error for a file with more than `most` bytes."""
    unit, size = next(
        pair for pair in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("bytes", 1)) if most >= pair[1]
    )
    return BenchError(f"{path}: more than the {most // size} {unit} that such a file may have: name another file")


def reason(error: BaseException) -> str:
    """The first line of what an error of a parser says."""
    if isinstance(error, RecursionError):
        return f"brackets more than {NESTING} deep"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def lock(target: Path) -> FileLock:
    """A lock between processes for whoever builds `target`; the file beside it is left in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(target.with_name(f".{target.name}.lock"))


def _has_endless_key(text: str) -> bool:
    """Whether a line has a dotted key of very many parts, for which the parser's time grows with their square."""
    run = 0
    for part in text.split("."):
        run = 0 if not part or not _KEY_PART.isdisjoint(part) else run + 1
        if run > 200:
            return True
    return False


_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_KEY_PART = frozenset("\n=,{}#")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        dangling = " but a link to nothing" if path.is_symlink() else ""
        raise BenchError(f"{path}: there is no such file{dangling}: correct the path") from error
    except OSError as error:
        if error.errno is None:  # a parser's, of what the file holds
            raise
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}): check the file") from error


def _opened(path: Path) -> io.BufferedReader:
    try:
        _refuse_other_kinds(path, path.stat().st_mode)
        file = open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")  # noqa: PTH123, SIM115
    except ValueError as error:
        raise BenchError(f"{str(path)!r}: no file can have such a name: correct the path") from error
    _refuse_other_kinds(path, os.fstat(file.fileno()).st_mode)  # it may have been exchanged meanwhile
    return file


def _refuse_other_kinds(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    raise BenchError(f"{path}: {kind}, where a file is needed: correct the path")


def _shallow(value: Any, origin: str) -> Any:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(NESTING + 1):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return value
    raise BenchError(f"{origin}: lists or tables stand more than {NESTING} deep in one another: flatten them")
