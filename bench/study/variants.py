"""Methods as a study names them, with settings of their own: `lora`, `lora:r=16,lr=4e-4`, `./file.py:Class:r=2`.

A variant is a row of its own. Its settings are the method's options and learning rates (`cell.Rate`); one that equals
the option's default is as good as none, so that `lora:r=8` is the row `lora`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from ...cell import Cell, Rate, Rates
from ...errors import BenchError, first_fault, quoted, unknown
from ...files import parse_toml
from ...methods.registry import Entry, find_method, make_method
from ...naming import read_settings, split_list, split_name, written_settings
from ...outside import canonical_name

_RATES = TypeAdapter(Rates)


def split_methods(text: str) -> list[str]:
    """The methods of a list with commas: a piece with `=` and no `:` is one more setting of the method before it.

    BenchError when there is none before it.
    """
    found: list[str] = []
    for piece in filter(None, split_list(text)):
        if "=" not in piece or ":" in piece.partition("=")[0]:  # a value may hold one, too
            found.append(piece)
        elif not found:
            raise BenchError(f"{quoted(piece)} comes before any method; write METHOD:{piece}")
        else:
            found[-1] += ("," if ":" in found[-1] else ":") + piece
    return found


def written_value(text: str) -> Any:
    """What a value on the command line stands for: TOML, or else a word that stands for itself."""
    if "\n" in text or "\r" in text:
        return text
    try:
        return parse_toml(f"value = {text}", "")["value"]
    except BenchError:
        return text


@dataclass(frozen=True)
class Variant:
    """A method by the name that finds it, and the settings given with it."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Variant":
        """The variant that a text names; BenchError for one without a method, and for what is no setting."""
        if not text.strip() or text.startswith(":") or text.endswith(":"):
            raise BenchError(f"method {quoted(text)}: give NAME, NAME:option=value,…, or package.module:Class")
        name, written = split_name(text)
        settings = read_settings(f"method {quoted(text)}", written)
        return cls(name.strip() if written else name, {key: written_value(value) for key, value in settings.items()})

    @property
    def canonical_name(self) -> str:
        """The name under which its method goes in records."""
        return canonical_name(self.name)

    def settled(self, base: Mapping[str, Any] | None = None) -> "Settled":
        """The method's options and rates, those of the variant over `base`. BenchError for what it has not got."""
        method = find_method(self.name)
        own = list(method.options.model_fields)
        settings = {as_called(key, method): value for key, value in (base or {}).items()}
        settings |= _as_called_once(self.settings, method)
        known = settings_of(method)
        for key in settings:
            if key not in known:
                raise _unknown("option", self.name, key, known)
        given = {key: value for key, value in settings.items() if key in own}
        options = make_method(self.name, given).chosen.model_dump(mode="json")
        rates = {key: value for key, value in settings.items() if key not in own}
        return Settled(method, options, _checked_rates(self.name, rates))

    def covers(self, cell: Cell) -> bool:
        """Whether a cell is of this method and has all the settings that are given here."""
        if cell.method != self.canonical_name:
            return False
        wanted, has = self.settled(), {**cell.options, **cell.rates}
        keys = [as_called(key, wanted.method) for key in self.settings]
        return all(has.get(key) == {**wanted.options, **wanted.rates}[key] for key in keys)


@dataclass(frozen=True)
class Settled:
    """A method with all of its options, as a record keeps them, and the learning rates that were given."""

    method: Entry
    options: dict[str, Any]
    rates: Rates


def label(cell: Cell, defaults: Mapping[str, Any]) -> str:
    """A cell's method, told from its variants by what is not the default: `lora (r=16)`."""
    told = {key: value for key, value in cell.options.items() if key not in defaults or value != defaults[key]}
    given = written_settings({**told, **cell.rates})
    return f"{cell.method} ({given})" if given else cell.method


def check_rates(name: str, rates: Mapping[str, Any]) -> None:
    """BenchError for what stands in a study's table of a method's rates and is none of them."""
    method = find_method(name)
    known = rates_of(method)
    for key in rates:
        if as_called(key, method) not in known:
            raise BenchError(f"rates.{name}: {_unknown('rate', name, key, known)}")


def settings_of(method: Entry) -> list[str]:
    """All that a variant of a method may say: options and rates."""
    return [*method.options.model_fields, *rates_of(method)]


def rates_of(method: Entry) -> list[str]:
    """The learning rates that can be given: an option of that name stands before them."""
    rates = get_args(Rate) if method.kind == "method" else ()
    outside = () if method.crosses_towers() else ("towers",)  # nothing is trained inside them
    outside = ("lr", "towers") if method.fixed_proportions else outside
    return [name for name in rates if name not in outside and name not in method.options.model_fields]


def as_called(key: str, method: Entry) -> str:
    """A setting as records call it: an option by another name, and `head` for `head_lr`, unless it is an option."""
    key = method.aliases.get(key, key)
    return "head_lr" if key == "head" and key not in method.options.model_fields else key


def _as_called_once(settings: Mapping[str, Any], method: Entry) -> dict[str, Any]:
    """Settings as records call them. BenchError where two of them are one."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if as_called(key, method) in found:
            raise BenchError(f"method '{method.name}': {quoted(key)} is {quoted(as_called(key, method))}: keep one")
        found[as_called(key, method)] = value
    return found


def _unknown(what: str, name: str, key: str, known: list[str]) -> BenchError:
    if not known:
        return BenchError(f"method '{name}' has neither options nor rates: remove {quoted(key)}")
    message = str(unknown(f"{what} of method '{name}'", key, known))
    return BenchError(message if known[-1] in message else f"{message} (known: {', '.join(known)})")


def _checked_rates(name: str, rates: dict[str, Any]) -> Rates:
    try:
        return _RATES.validate_python(rates, strict=True)
    except ValidationError as error:
        fault = first_fault(error, rates)
        raise BenchError(f"method '{name}': rate '{fault.key}': {fault.message}") from error
