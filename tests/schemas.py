"""Every key of a schema, found by walking it, and values that no key may break on: a new field needs no new test.

A property test draws `mutated(Schema, valid)` and demands a BenchError or success:

    @given(mutated(Study, {"methods": ["lora"]}))
    def test_…(values): …
"""

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import date
from types import NoneType
from typing import Any, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

ANY = "any"
"""Stands in a path for the name that a user gives: the key of a mapping."""

Path = tuple[str, ...]

EXTREMES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 7, 10**9, -(10**9), 2**63, 10**20, -(10**20), 10**4000),
    *(0.0, -0.0, 0.5, -0.5, 1.5, 1e-320, 1e300, -1e300, float("inf"), float("-inf"), float("nan")),
    *("", " ", "x", "3", ":", ",", "..", "../..", "/", "a/b", "a\\b", "~", "-x", "a\0b", "a\nb", "\r", "\x1b[31m"),
    *("\u202eabc", "\ud800", "é" * 200, "n" * 400, "n" * 100_000, "auto", "all", "both", "random", "published"),
    *([], [[]], [""], [None], [0], [True], [float("nan")], ["a", "a"], ["a\0b"], ["n" * 400], list(range(2000))),
    *({}, {"": 1}, {"a": None}, {"a.b": {"c": 1}}, {"a": {"b": {}}}, {"a\0b": 1}, {"n" * 400: 1}, {"lora": {"r": -1}}),
    *(date(2026, 1, 1),),
)


def keys(schema: type[BaseModel], above: Path = ()) -> Iterator[Path]:
    """The path of every key of a schema, those of nested schemas, mappings (`ANY`) and lists ("0") included."""
    for name, field in schema.model_fields.items():
        yield from _keys_of(field.annotation, (*above, field.alias or name))


def _keys_of(annotation: Any, path: Path) -> Iterator[Path]:
    yield path
    yield from dict.fromkeys(_below(annotation, path))


def _below(annotation: Any, path: Path) -> Iterator[Path]:
    """What stands below a key of this type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from keys(annotation, path)
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _keys_of(arguments[1], (*path, ANY))
    elif isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset):
        yield from _keys_of(arguments[0], (*path, "0"))
    elif hasattr(annotation, "__metadata__"):
        yield from _below(arguments[0], path)
    else:
        for argument in arguments:  # of a union
            if argument not in (NoneType, ...):
                yield from _below(argument, path)


def put(values: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A deep copy of values with one of them replaced; what stands in the way becomes a table or a list."""
    return _put(copy.deepcopy(dict(values)), path, value)


def _put(values: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    if isinstance(values, list) and path[0].isdigit():
        number = int(path[0])
        return [*values[:number], _put(dict(enumerate(values)).get(number), path[1:], value), *values[number + 1 :]]
    if path[0] == "0" and not isinstance(values, dict):
        return [_put(None, path[1:], value)]
    table = values if isinstance(values, dict) else {}
    key = next(iter(table), "any") if path[0] == ANY else path[0]
    return table | {key: _put(table.get(key), path[1:], value)}


def strange() -> st.SearchStrategy[Any]:
    """A value of a wrong type, an extreme one, or any other."""
    leaves = st.sampled_from(EXTREMES) | st.text(max_size=20) | st.integers() | st.floats() | st.booleans()
    nested = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | _tables(inner), max_leaves=5)
    return st.sampled_from(EXTREMES) | nested


def mutated(schema: type[BaseModel], valid: Mapping[str, Any], most: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """`valid` with one to `most` keys of the schema set to strange values, or a key that the schema lacks."""
    paths = [*keys(schema), ("unheard-of",)]
    changes = st.lists(st.tuples(st.sampled_from(paths), strange()), min_size=1, max_size=most)
    return changes.map(lambda chosen: _all_put(valid, chosen))


def _all_put(valid: Mapping[str, Any], changes: list[tuple[Path, Any]]) -> dict[str, Any]:
    values = dict(valid)
    for path, value in changes:
        values = put(values, path, value)
    return values


def _tables(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text(max_size=8), inner, max_size=3)


def as_toml(values: Mapping[str, Any]) -> str:
    """A TOML file of these values, one line a key; what TOML cannot say (null) is left out."""
    return "".join(f"{json.dumps(key)} = {toml_value(value)}\n" for key, value in values.items() if value is not None)


def toml_value(value: Any) -> str:
    """One value as TOML writes it, tables inline."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {toml_value(inner)}" for key, inner in value.items() if inner is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(inner) for inner in value if inner is not None) + "]"
    if isinstance(value, int | float | date) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value)
