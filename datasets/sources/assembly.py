"""From what a source has found to `RawData`: the one place where dirt meets its policy, and is counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from ...cell import Modality
from ...errors import BenchError
from ...values import TimeUnit
from ..features import Features
from ..pictures.opening import Pictures
from ..raw import Interactions, RawData
from ..tables.parquet import pc
from .days import span
from .policies import Policies
from .texts import Template, clean

Facts = dict[str, str | int | float]


@dataclass(frozen=True)
class Coded:
    """A column of ids: row r holds `ids[codes[r]]`. The ids are distinct and in order of first appearance."""

    codes: np.ndarray
    ids: pa.Array


@dataclass(frozen=True)
class ItemRows:
    """Items as their rows stand; an item may have several. `where` names a row, from 0, as a person finds it.

    `fields` are what texts are made of by `template`, by name, `pictures` the names of picture files and `links` where
    pictures are to be had: one entry a row each, "" where there is none. `features` have a vector a row. `place` is
    what the rows stand in.
    """

    ids: Coded
    place: str
    where: Callable[[int], str]
    template: Template | None = None
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pictures: Sequence[str] | None = None
    links: Sequence[str] | None = None
    features: Mapping[Modality, Features] = field(default_factory=dict)


@dataclass(frozen=True)
class InteractionRows:
    """Who took what, when, as the rows stand. What arrays may be None, and hold, `raw.Interactions` says.

    `unit` is that of the times, where it is known, and `unit_key` the key of a description that says it.
    """

    users: Coded
    items: Coded
    place: str
    where: Callable[[int], str]
    times: np.ndarray | None = None
    unit: TimeUnit | None = None
    unit_key: str = ""
    ratings: np.ndarray | None = None
    parts: np.ndarray | None = None


@dataclass(frozen=True)
class Found:
    """What a source has found. Without `items` those of the interactions are all that is known of them.

    `open_pictures` takes the items' ids and the names of their picture files (None: the source has no such column).
    """

    name: str
    interactions: InteractionRows
    items: ItemRows | None = None
    open_pictures: Callable[[Sequence[str], Sequence[str] | None], Pictures] | None = None
    facts: Facts = field(default_factory=dict)


def assemble(found: Found, policies: Policies) -> RawData:
    """The data with each policy carried out; what each met is counted in `facts`, where it met anything.

    Users keep their codes, items their order: that of their first rows, then those kept that no row is of. BenchError,
    with file and line, for what a policy refuses.
    """
    of, facts = found.interactions, dict(found.facts)
    items = _described(found.items, policies, facts) if found.items else _Items(of.items.ids)
    if of.times is not None:
        facts |= span(of.times, of.unit, of.place, of.unit_key)
    items, interactions = _joined(of, found.items, items, policies, facts)
    ids = items.ids.to_pylist()
    shown = found.open_pictures(ids, items.pictures) if found.open_pictures else None
    if items.texts and (empty := sum(not text.strip() for text in items.texts)):
        facts["items without text"] = empty
    return RawData(
        name=found.name,
        ids=ids,
        texts=items.texts,
        images=shown.images if shown else None,
        interactions=interactions,
        facts=facts | (shown.facts if shown else {}) | _repeats(interactions),
        missing_images=shown.missing if shown else (),
        user_ids=of.users.ids.to_pylist(),
        links=items.links,
        features=items.features,
    )


@dataclass(frozen=True)
class _Items:
    """Items, one entry each."""

    ids: pa.Array
    texts: Sequence[str] | None = None
    pictures: Sequence[str] | None = None
    links: Sequence[str] | None = None
    features: Mapping[Modality, Features] = field(default_factory=dict)

    def with_unknown(self, ids: pa.Array) -> "_Items":
        """With others behind them of which nothing is known but their ids."""
        texts, pictures, links = (
            None if each is None else [*each, *[""] * len(ids)] for each in (self.texts, self.pictures, self.links)
        )
        rows = np.append(np.arange(len(self.ids)), np.full(len(ids), -1))
        features: dict[Modality, Features] = {name: vectors.take(rows) for name, vectors in self.features.items()}
        return _Items(pa.concat_arrays([self.ids, ids]), texts, pictures, links, features)


def _described(rows: ItemRows, policies: Policies, facts: Facts) -> _Items:
    """One entry for each item of a table, its text made and cleaned."""
    fields = dict(rows.fields)
    if policies.text == "clean":
        fields = {name: list(map(clean, column)) for name, column in fields.items()}
    kept = _chosen(rows, fields, policies, facts)
    chosen: list[int] = kept.tolist()
    cleaned = (row for row in chosen if any(column[row] != fields[name][row] for name, column in rows.fields.items()))
    if count := sum(1 for _ in cleaned):
        facts["items with cleaned text"] = count

    def taken(column: Sequence[str] | None) -> Sequence[str] | None:
        return None if column is None else [column[row] for row in chosen]

    texts = rows.template.texts(fields) if rows.template else None
    return _Items(
        rows.ids.ids,
        taken(texts),
        taken(rows.pictures),
        taken(rows.links),
        {name: vectors.take(kept) for name, vectors in rows.features.items()},
    )


def _chosen(rows: ItemRows, fields: Mapping[str, Sequence[str]], policies: Policies, facts: Facts) -> np.ndarray:
    """The row of each item that counts. Rows that say the same are one; of others `policies.titles` chooses."""
    codes = rows.ids.codes
    _, first = np.unique(codes, return_index=True)
    repeated = np.flatnonzero(first[codes] != np.arange(len(codes)))
    if not len(repeated):
        return first
    columns = dict(fields) | ({"picture": rows.pictures} if rows.pictures is not None else {})
    differing = set[int]()
    for row in repeated.tolist():
        before = int(first[codes[row]])
        column = next((name for name, values in columns.items() if values[row] != values[before]), None)
        if column and policies.titles == "error":
            raise BenchError(
                f"{rows.where(row)}: item '{rows.ids.ids[int(codes[row])].as_py()}' has another '{column}' than in "
                f"{rows.where(before)}: give every item one row, or choose titles = first (or last)"
            )
        if column:
            differing.add(int(codes[row]))
    facts["repeated item rows"] = len(repeated)
    if differing:
        facts[f"items with rows that differ ({policies.titles} taken)"] = len(differing)
    if policies.titles == "last":
        return len(codes) - 1 - np.unique(codes[::-1], return_index=True)[1]
    return first


def _joined(
    of: InteractionRows, rows: ItemRows | None, items: _Items, policies: Policies, facts: Facts
) -> tuple[_Items, Interactions]:
    """Interactions with the items' places; those with an item that has no row by `policies.missing_items`."""
    places = pc.index_in(of.items.ids, value_set=items.ids).fill_null(-1).to_numpy(zero_copy_only=False)
    missing = places < 0
    taken = Interactions(of.users.codes, places[of.items.codes], of.times, of.ratings, of.parts)
    if not missing.any():
        return items, taken
    unknown = taken.items < 0
    if policies.missing_items == "error":
        row = int(np.argmax(unknown))
        name = of.items.ids[int(of.items.codes[row])].as_py()
        raise BenchError(
            f"{of.where(row)}: item '{name}' is not in {rows.place if rows else ''}: add it there or remove the "
            "interaction, or choose missing_items = drop (or keep)"
        )
    facts["items without metadata"] = int(np.count_nonzero(missing))
    if policies.missing_items == "drop":
        facts["interactions dropped without metadata"] = int(np.count_nonzero(unknown))
        return items, taken.taken(~unknown)
    places = np.where(missing, len(items.ids) - 1 + np.cumsum(missing), places)
    kept = items.with_unknown(of.items.ids.filter(pa.array(missing)))
    return kept, replace(taken, items=places[of.items.codes])


def _repeats(interactions: Interactions) -> Facts:
    """How many interactions are of a user and an item that had one before, and how many of them at the same time."""
    if interactions.times is None:
        return {}  # where nothing tells two rows apart, that a user came back is no dirt
    pairs = interactions.users.astype(np.int64) * (int(interactions.items.max(initial=0)) + 1) + interactions.items
    order = np.argsort(pairs, kind="stable")
    again = pairs[order][1:] == pairs[order][:-1]
    if not again.any():
        return {}
    some = order[np.append(again, False) | np.append(False, again)]
    by_time = some[np.lexsort((interactions.times[some], pairs[some]))]
    same = (np.diff(pairs[by_time]) == 0) & (np.diff(interactions.times[by_time]) == 0)
    facts: Facts = {"repeated interactions": int(np.count_nonzero(again))}
    return facts | ({"repeated at the same time": int(np.count_nonzero(same))} if same.any() else {})
