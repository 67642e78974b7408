"""Dirt in what a source has found: each kind meets its policy, and is counted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tpmebench.datasets.pictures.opening import Pictures
from tpmebench.datasets.raw import RawData
from tpmebench.datasets.sources.assembly import Coded, Found, InteractionRows, ItemRows, assemble
from tpmebench.datasets.sources.policies import Policies
from tpmebench.datasets.sources.texts import Template
from tpmebench.errors import BenchError


def coded(values: Sequence[str]) -> Coded:
    ids = list(dict.fromkeys(values))
    return Coded(np.array([ids.index(value) for value in values]), pa.array(ids))


def rows(place: str, values: Sequence[str], **columns: Any) -> ItemRows:
    template = Template.of("title") if "fields" in columns else None
    return ItemRows(coded(values), place, lambda row: f"{place}, line {row + 1}", template, **columns)


def assembled(taken: Sequence[tuple[str, str, int]], items: ItemRows | None, **policies: Any) -> RawData:
    users, names, times = zip(*taken, strict=True)
    of = InteractionRows(
        coded(users),
        coded(names),
        "log",
        lambda row: f"log, line {row + 1}",
        np.array(times),
        ratings=np.arange(len(users)),
    )
    return assemble(Found("shop", of, items), Policies(**policies))


TAKEN = [("u", "a", 1), ("v", "x", 2), ("u", "b", 3), ("w", "y", 4), ("u", "x", 5)]


def titles(*texts: str) -> dict[str, list[str]]:
    return {"title": list(texts)}


def test_an_item_without_metadata_is_an_error_that_names_the_line():
    with pytest.raises(BenchError, match=r"log, line 2: item 'x' is not in meta: .* missing_items = drop \(or keep\)"):
        assembled(TAKEN, rows("meta", "ab", fields=titles("A", "B")))


def test_its_interactions_are_dropped_and_counted():
    raw = assembled(TAKEN, rows("meta", "bac", fields=titles("B", "A", "C")), missing_items="drop")
    assert (list(raw.ids), raw.texts) == (["b", "a", "c"], ["B", "A", "C"])
    assert raw.interactions.items.tolist() == [1, 0]
    assert raw.interactions.users.tolist() == [0, 0]
    assert raw.interactions.ratings is not None and raw.interactions.ratings.tolist() == [0, 2]
    assert raw.user_ids == ["u", "v", "w"]
    assert raw.facts == {"items without metadata": 2, "interactions dropped without metadata": 3}


def test_or_kept_with_an_item_of_no_text_behind_the_others():
    meta = rows("meta", "ba", fields=titles("B", "A"), links=["https://b", ""])
    raw = assembled(TAKEN, meta, missing_items="keep")
    assert (list(raw.ids), raw.texts) == (["b", "a", "x", "y"], ["B", "A", "", ""])
    assert raw.interactions.items.tolist() == [1, 2, 0, 3, 2]
    assert raw.links == ["https://b", "", "", ""]
    assert raw.facts == {"items without metadata": 2, "items without text": 2}


def test_items_are_those_of_the_interactions_where_no_table_has_them():
    raw = assembled(TAKEN, None)
    assert (list(raw.ids), raw.texts) == (["a", "x", "b", "y"], None)
    assert raw.interactions.items.tolist() == [0, 1, 2, 3, 1]


TWICE = rows("meta", "abab", fields=titles("A", "B", "A", "Bee"), pictures=["1", "2", "1", "2"])


@pytest.mark.parametrize(("choice", "expected"), [("first", "B"), ("last", "Bee")])
def test_of_two_titles_the_first_or_the_last(choice: str, expected: str):
    raw = assembled([("u", "a", 1)], TWICE, titles=choice)
    assert raw.texts == ["A", expected]
    assert raw.facts == {"repeated item rows": 2, f"items with rows that differ ({choice} taken)": 1}


def test_or_an_error_that_names_both_lines():
    with pytest.raises(BenchError, match=r"meta, line 4: item 'b' has another 'title' than in meta, line 2: give"):
        assembled([("u", "a", 1)], TWICE)


def test_cleaned_texts_are_counted_and_compared_as_they_are_then():
    meta = rows("meta", "abb", fields=titles("A", "B &amp; C", "B & C "))
    raw = assembled([("u", "a", 1)], meta, text="clean")
    assert raw.texts == ["A", "B & C"]
    assert raw.facts == {"repeated item rows": 1, "items with cleaned text": 1}


def test_interactions_that_repeat_are_counted_and_stay():
    taken = [("u", "a", 1), ("v", "a", 1), ("u", "a", 2), ("u", "a", 2), ("u", "b", 2)]
    raw = assembled(taken, None)
    assert len(raw.interactions.users) == 5
    assert raw.facts == {"repeated interactions": 2, "repeated at the same time": 1}


def test_pictures_are_asked_for_by_the_items_that_are_left():
    asked: list[tuple[list[str], list[str] | None]] = []

    def opened(ids: Sequence[str], names: Sequence[str] | None) -> Pictures:
        asked.append((list(ids), None if names is None else list(names)))
        return Pictures(None, [1], {"found": 3})  # pyright: ignore[reportArgumentType]

    taken = coded("ax")
    of = InteractionRows(coded("uv"), taken, "log", str)
    raw = assemble(Found("shop", of, TWICE, opened), Policies(missing_items="keep", titles="last"))
    assert asked == [(["a", "b", "x"], ["1", "2", ""])]
    assert raw.missing_images == [1] and raw.facts["found"] == 3
