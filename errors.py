"""The one exception for everything that a user can cause and can mend, and how it names and quotes what is at fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from .text import visible

if TYPE_CHECKING:
    from pydantic import ValidationError

_QUOTED = 80
"""Characters of a value that a message shows."""


class BenchError(Exception):
    """A mistake in a command, a study, a dataset or a model folder.

    The message names the culprit (file, line, option) and the remedy in one line, whatever it quotes. The command
    prints it without a traceback and exits with status 2.
    """

    def __init__(self, message: object) -> None:
        super().__init__(visible(message))


class Mended(UserWarning):
    """Something of ours was damaged and is made anew: the run goes on, and its user should know."""


def unknown(kind: str, name: str, known: list[str]) -> BenchError:
    """The error for a name that is not among `known`, with the nearest one as a suggestion."""
    close = get_close_matches(name[:_QUOTED], known, n=3, cutoff=0.5)
    near = max(close, key=lambda each: _likeness(name[:_QUOTED], each), default="")
    hint = f"did you mean '{near}'?" if near else f"choose from: {', '.join(known)}"
    return BenchError(f"unknown {kind} {quoted(name)}: {hint}")


def _likeness(name: str, known: str) -> tuple[float, bool]:
    """How alike two names are; of equals the one that begins as the other does."""
    return SequenceMatcher(None, known, name).ratio(), name[:1] == known[:1]


class _Short(Repr):
    """Cuts what is long or deep, and writes no integer of thousands of digits, which Python would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, _QUOTED, _QUOTED, _QUOTED

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 4 * _QUOTED else f"an integer of {x.bit_length()} bits"


def quoted(value: object) -> str:
    """A value as a message quotes it: on one line, and no longer than a message can bear."""
    text = _Short().repr(value)
    return text if len(text) <= 4 * _QUOTED else f"{text[: 4 * _QUOTED]}…"


@dataclass(frozen=True)
class Fault:
    """The first thing that a schema finds wrong: the keys that lead to it, what it says, pydantic's kind of error."""

    keys: tuple[str, ...]
    message: str
    kind: str

    @property
    def key(self) -> str:
        """As a user would write it: `training.batch`."""
        return ".".join(key if key.isprintable() and len(key) <= _QUOTED else quoted(key) for key in self.keys)


def first_fault(error: "ValidationError", values: Any) -> Fault:
    """What to say of `values` that a schema has refused, the value at fault included."""
    faults = error.errors(include_url=False, include_context=False)
    first, keys = faults[0], _keys(faults[0]["loc"], values)
    # a key that may be of several kinds has a fault for each
    messages = dict.fromkeys(_message(fault["msg"]) for fault in faults if _keys(fault["loc"], values) == keys)
    of_section = first["type"] == "value_error" and isinstance(first["input"], dict)  # its message names the keys
    silent = of_section or first["type"] in {"missing", "extra_forbidden"} or not keys
    got = "" if silent else f" (got {quoted(first['input'])})"
    return Fault(keys, " or ".join(messages) + got, first["type"])


def _message(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"


def _keys(location: Sequence[str | int], values: Any) -> tuple[str, ...]:
    """The part of a fault's location that a user wrote; what follows names a branch of the schema."""
    keys: list[str] = []
    for number, part in enumerate(location, 1):
        if isinstance(values, dict):
            if part not in values and number < len(location):
                continue  # a branch of the schema, told by the value's shape, with more of the user's keys below
            keys.append(str(part))
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            keys.append(str(part))
            values = values[part]
        else:
            break
    return tuple(keys)
