"""What was found of a model once, kept on this machine in a small file: no model is loaded to be asked again."""

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from ...errors import BenchError
from ...files import cache_directory, digest, file_digest, read_json, write_atomic
from ...ownership import take
from .anatomy import Anatomy

_LOOKING = ("anatomy", "inspection", "loading", "pooled", "positions", "stack", "trial")
_asked: dict[str, Anatomy] = {}


def remembered(key: Callable[[], str], find: Callable[[], Anatomy]) -> Anatomy:
    """What `find` found earlier under the key, or finds now. A key of "" is one of files that are not here yet."""
    known = key()
    found = _read(known)
    if found is None:
        found = find()
        _write(known or key(), found)  # what was loaded from the hub has a key by now
    return found


def _read(key: str) -> Anatomy | None:
    if not key:
        return None
    if key not in _asked:
        with suppress(BenchError, OSError, ValidationError):  # there is none, or not as it was written
            path = _path(key)
            if path.is_file():
                _asked[key] = Anatomy.model_validate(read_json(path))
    return _asked.get(key)


def _write(key: str, found: Anatomy) -> None:
    if not key:
        return
    _asked[key] = found
    with suppress(BenchError, OSError):  # a cache that cannot be written costs another look
        path = _path(key)
        take(path.parent)
        write_atomic(path, found.model_dump_json())


def _path(key: str) -> Path:
    """The file of a key: what looks and what is looked at decide together."""
    own = (file_digest(Path(__file__).with_name(f"{name}.py")) for name in _LOOKING)
    return cache_directory() / "towers" / f"{digest(key, version('transformers'), version('torch'), *own)[:32]}.json"
