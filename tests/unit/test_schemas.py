"""The walk over schemas that the property tests go by, and that it meets every key of every schema there is."""

import tomllib
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from schemas import ANY, as_toml, keys, mutated, put

from tpmebench.bench.study.study import Study
from tpmebench.reports.records import Record


class Inner(BaseModel):
    size: int


class Outer(BaseModel):
    name: str
    one: Inner | None = None
    several: list[Annotated[Inner, Field()]] = []
    named: dict[str, dict[str, Any]] = {}
    pair: tuple[int, ...] | Literal["all"] = "all"


def test_the_walk_meets_every_key():
    assert set(keys(Outer)) == {
        ("name",),
        ("one",),
        ("one", "size"),
        ("several",),
        ("several", "0"),
        ("several", "0", "size"),
        ("named",),
        ("named", ANY),
        ("named", ANY, ANY),
        ("pair",),
        ("pair", "0"),
    }


@pytest.mark.parametrize("schema", [Study, Record])
def test_the_walk_meets_every_key_of_the_schemas_json(schema: type[BaseModel]):
    """Held to pydantic's own account of what a schema takes."""
    described = schema.model_json_schema()

    def named(part: dict[str, Any]) -> set[str]:
        return set(part.get("properties", {}))

    expected = named(described).union(*(named(part) for part in described.get("$defs", {}).values()))
    assert expected <= {name for path in keys(schema) for name in path}


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (("a",), {"a": 9}),
        (("a", "b"), {"a": {"b": 9}}),
        (("list", "0"), {"a": 1, "list": [9, 6]}),
        (("list", "0", "x"), {"a": 1, "list": [{"x": 9}, 6]}),
        (("new", "0"), {"a": 1, "new": [9]}),
        (("table", ANY), {"a": 1, "table": {"k": 9}}),
        (("table", "other"), {"a": 1, "table": {"k": 0, "other": 9}}),
        (("none", ANY, "x"), {"a": 1, "none": {"any": {"x": 9}}}),
    ],
)
def test_a_value_is_put_where_its_path_says(path: tuple[str, ...], result: dict[str, Any]):
    values = {"a": 1, "list": [5, 6], "table": {"k": 0}}
    assert put(values, path, 9) == values | result
    assert values == {"a": 1, "list": [5, 6], "table": {"k": 0}}


@given(st.data())
def test_mutations_change_a_key_of_the_schema(data: st.DataObject):
    valid = {"name": "x"}
    values = data.draw(mutated(Outer, valid, most=1))
    assert set(values) <= {*Outer.model_fields, "unheard-of"}


@pytest.mark.parametrize(
    "values", [{"a": 10**4000, "b": [1.5, True, "x\0\n"], "c": {"d e": {"": []}}}, {"none": None, "f": float("inf")}]
)
def test_values_are_written_as_toml_reads_them(values: dict[str, Any]):
    assert tomllib.loads(as_toml(values)) == {key: value for key, value in values.items() if value is not None}
