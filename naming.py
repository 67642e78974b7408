"""Names as they are written with settings behind them, `NAME:option=value,option=value`, of methods and of datasets.

And as they are shown, without where anything stands.
"""

import re
from collections.abc import Mapping
from typing import Any

from .errors import BenchError, quoted

_HUB_CACHE = re.compile(r"models--([^/\\]+)--([^/\\]+)[/\\]snapshots[/\\][0-9a-f]{6,}[/\\]*$")
_ROOTED = re.compile(r"(?:~[^/\\]*|\.{1,2}|[A-Za-z]:)?[/\\]")
_HOME = re.compile(
    r"(?<![\w.~-])(?:(?:/[\w.-]+)*?/(?:home|Users)/[^/\\\s\"':;,()]+|/root(?=[/\s\"':;,)]|$)|[A-Za-z]:\\+Users\\+[^/\\\s\"':;,()]+)"
)
_NAMED = re.compile(r"(?P<name>.*?):(?P<settings>\s*\w+\s*=.*)", re.DOTALL)


def split_name(text: str) -> tuple[str, str]:
    """A name, which may hold colons, and the settings written behind it, "" where there are none."""
    match = _NAMED.fullmatch(text)
    return (match["name"], match["settings"]) if match else (text, "")


def read_settings(owner: str, text: str) -> dict[str, str]:
    """Settings by option, their values as written; `owner` is whose they are. BenchError for what is no setting."""
    settings: dict[str, str] = {}
    for piece in split_list(text) if text else []:
        option, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not option or not value:
            raise BenchError(f"{owner}: {quoted(piece)} is no setting: write option=value, with commas between")
        if option in settings:
            raise BenchError(f"{owner}: {quoted(option)} stands there twice: keep one")
        settings[option] = value
    return settings


def split_list(text: str) -> list[str]:
    """What stands between commas, but for those in brackets."""
    pieces, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    return [piece.strip() for piece in pieces]


def written_settings(settings: Mapping[Any, Any]) -> str:
    """Settings as they are written and shown: `r=16, learning_rate_scale=3`."""
    return ", ".join(f"{key}={written(value)}" for key, value in settings.items())


def written(value: Any) -> str:
    """A value as it is written: a number without what it does not need."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def short_name(name: str) -> str:
    """What a tower or a dataset is called wherever it stands, with its settings.

    Of a path that is its folder's name, or the id of the model that a hub's cache keeps there; an alias, a hub id and a
    source's name are short already.
    """
    called, settings = split_name(name)
    source, colon, place = called.partition(":")
    if colon and not _ROOTED.match(called) and _is_path(place):
        short = f"{source}:{_last(place)}"
    else:
        short = _last(called) if _is_path(called) else called
    return f"{short}:{settings}" if settings else short


def _is_path(name: str) -> bool:
    return bool(_ROOTED.match(name)) or name.count("/") > 1


def _last(path: str) -> str:
    """The last folder of a path, or the id of the model that a hub's cache keeps there."""
    if found := _HUB_CACHE.search(path):
        return f"{found[1]}/{found[2]}"
    return next((part for part in reversed(re.split(r"[/\\]+", path)) if part), path)


def without_homes(text: str) -> str:
    """A text without anybody's home directory: `/home/ann/shop` is `~/shop`."""
    return _HOME.sub("~", text)
