"""Records → comparisons: the cells that may stand in one ranking, one row a cell and one row a method.

Cells are compared when dataset, backbones, training settings, machine and meter are the same. They may differ in how
many epochs they were given, which changes no cost of an epoch; the page says so when they do.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from ...files import canonical_json
from ...metrics import Metric, headline
from ...text import visible
from ..records import Record
from .cells import KEPT, of_whole_runs, row, sizes, times
from .conditions import EQUAL_MEMORY, OF_THE_DEVICE, PLANNED, conditions, trains_nothing
from .joining import partners
from .machine import MACHINE, machine
from .results import Result
from .rows import label_cells, older, told_apart
from .search import Search, settle
from .summary import summarise, tells_of_build
from .tpme import COSTS

ORIGINS = {
    "cuda-allocated": "peak of CUDA memory allocated (max_memory_allocated)",
    "cpu-tensors": "peak of live tensor bytes on the CPU",
}
ELSEWHERE = "elsewhere"
"""The state of a row that stands in another comparison alone."""

Key = tuple[tuple[str, str], ...]


@dataclass
class Comparison:
    """Cells that may stand in one ranking. `conditions` are what they share, `name` a short name fit for a file.

    `disturbed`: epochs that lost more than a fifth to waiting count for T as well. `replaced`: cells left out, as a
    newer one has the same row, seed and repeat. `searches`: those whose choices are rows. `elsewhere`: methods and rows
    that have accuracies in another comparison, of the same protocol on another device.
    """

    conditions: dict[str, str]
    results: list[Result]
    replaced: list[Result] = field(default_factory=list)
    title: str = ""
    name: str = ""
    disturbed: bool = False
    searches: list[Search] = field(default_factory=list)
    elsewhere: set[str] = field(default_factory=set)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of these cells' task, in order."""
        return tuple(self.results[0].record.metrics)

    @property
    def primary(self) -> Metric:
        """The metric that the cells are judged by."""
        return self.headline[0]

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics that tables show, the primary one first."""
        return headline(self.metrics, self.results[0].record.primary_metric)

    @property
    def slices(self) -> list[str]:
        """The slices of the test users, in order."""
        of_cells = (result.record.accuracy.slices for result in self.results if result.record.accuracy)
        return list(dict.fromkeys(name for slices in of_cells for name in slices))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Cell id → the row it belongs to: the method's name, with the options in which its cells differ, in a line."""
        labels = label_cells([result.record for result in (*self.results, *self.replaced)])
        shown = told_apart(sorted(set(labels.values())))
        return {cell_id: shown[label] for cell_id, label in labels.items()}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell, failed ones included; `label` names the method's row."""
        rows = [
            {
                "label": self.labels[result.record.cell_id],
                "tells_of_build": tells_of_build(result.record),
                **row(result.record, self.disturbed),
            }
            for result in self.results
        ]
        frame = pd.DataFrame(rows)
        texts = {"machine", "label", "method", "family", "study", "cell_id", "status", "error", "started"}
        numeric = [name for name in frame.columns if name not in texts]
        frame[numeric] = frame[numeric].apply(pd.to_numeric)
        frame["time"] = frame["time"].where(frame["time"] > 0)  # nothing takes no time: a broken clock, or edited
        frame["costs"] = frame["costs"].astype(bool)
        here = ", ".join(self.conditions[name] for name in MACHINE if name in self.conditions)
        joined = frame["label"].isin(frame["label"][frame["costs"] & (frame["status"] == "ok")])
        joined |= ~frame["machine"].isin(["", here])  # an accuracy that was reached elsewhere
        costs = [name for name in (*times(self.results[0].record), *sizes(self.results[0].record)) if name not in KEPT]
        if joined.any():  # what another run has measured
            frame[costs] = frame[costs].astype(float).where(~joined | frame["costs"])
        frame["epochs"] = frame["epochs"].where(~frame["costs"])
        # Spread over the epochs, so that what a cache cost can be added to what an epoch costs.
        epochs = frame["epochs"].fillna(frame.groupby("label")["epochs"].transform("mean"))
        return frame.assign(time_with_cache=frame["time"] + frame["cache_build"].fillna(0.0) / epochs)

    @cached_property
    def methods(self) -> pd.DataFrame:
        """One row a method: means over seeds, `… sd` their std (None with one), states and counts of cells."""
        sliced = [f"{metric.name} {name}" for metric in self.headline for name in self.slices]
        spread = ["time", "memory", *(metric.name for metric in self.metrics), *sliced]
        return summarise(of_whole_runs(self.cells), spread)

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """The rows of `methods` that take part in TPME: trained, all three costs known, no reference row."""
        methods = self.methods
        return methods[(methods["family"] != "reference") & methods[list(COSTS)].notna().all(axis=1)]

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The conditions as they are called: the same for several versions of the data or of the towers."""
        return tuple((name, value) for name, value in self.conditions.items() if "fingerprint" not in name)

    @property
    def towers(self) -> str:
        """The towers by name; a pair of one name once."""
        return " + ".join(dict.fromkeys(self.conditions["backbones"].split(" + ")))

    @property
    def random_towers(self) -> bool:
        """Whether the towers' weights are random: then costs are those of pretrained ones, accuracies say nothing."""
        return self.conditions["backbone weights"] == "random"

    @property
    def memory(self) -> str:
        """The memory to which each method was given the largest batch that fits, "" where batches are equal."""
        return self.conditions.get(EQUAL_MEMORY, "")

    @property
    def equal(self) -> str:
        """What its methods have alike: `equal memory 2GiB` or `equal batch 32`."""
        return f"{EQUAL_MEMORY} {self.memory}" if self.memory else f"equal batch {self.conditions['batch']}"

    @property
    def meter(self) -> str:
        """What M is here, in words."""
        return ORIGINS[self.conditions["memory meter"]]

    def row(self, name: str) -> str:
        """The row of that name; else, of a method with several rows, that with most cells, then with most epochs."""
        of_method = self.methods[self.methods["method"] == name]
        if name in self.methods.index or of_method.empty:
            return name
        return str(of_method.sort_values(["ok", "epochs"], na_position="first").index[-1])

    def ok(self, label: str) -> list[Result]:
        """The cells of a method that ended well, in order of seed and repeat: those of its accuracy, if it has any."""
        every = self._ended_well(label)
        return [result for result in every if not result.record.cell.costs] or every

    def costs_of(self, label: str) -> list[Result]:
        """The cells that a method's costs are of: those that measured nothing else, if it has any."""
        every = self._ended_well(label)
        own = [result for result in every if machine(result.record).items() <= self.conditions.items()]
        return [result for result in every if result.record.cell.costs] or own

    def _ended_well(self, label: str) -> list[Result]:
        of_label = [s for s in self.results if self.labels[s.record.cell_id] == label and s.record.status == "ok"]
        return sorted(of_label, key=lambda result: (result.record.cell.seed, result.record.cell.repeat))

    def breakdown(self, parts: Callable[[Record], dict[str, float]]) -> pd.DataFrame:
        """Mean of a record's parts by name, methods × parts; methods without any are left out."""
        means = {}
        for label in self.methods.index:
            rows = [found for result in self.costs_of(label) if (found := parts(result.record))]
            if rows:
                means[label] = pd.DataFrame(rows).rename(columns=visible).fillna(0).mean()
        return pd.DataFrame(means).T.fillna(0.0)


def compare(results: list[Result], disturbed: bool = False) -> list[Comparison]:
    """Sorts cells into comparisons, in the order of `in_order`; see `Comparison` for `disturbed`."""
    comparisons = []
    for key, group in _grouped(results).items():
        rows, searches = settle(group)
        comparisons.append(Comparison(dict(key), *newest(rows), disturbed=disturbed, searches=searches))
    comparisons = in_order(comparisons)
    entitle(comparisons)
    for comparison in comparisons:
        comparison.elsewhere = _elsewhere(comparison, comparisons)
    return comparisons


def _grouped(results: list[Result]) -> dict[Key, list[Result]]:
    """The cells of each comparison. An accuracy stands where its costs were measured, wherever it was reached."""
    groups: dict[Key, list[Result]] = {}
    machines: dict[Key, dict[str, str]] = {}
    measured = partners(results)

    def key_of(record: Record) -> Key:
        protocol = tuple(conditions(record).items())
        place = machine(record) or machines.get(protocol, {})
        machines.setdefault(protocol, place)
        return (*protocol, *place.items())

    untrained = [result for result in results if trains_nothing(result.record)]
    trained = [result for result in results if not trains_nothing(result.record)]
    for result in sorted(trained, key=lambda result: machine(result.record) == {}):
        costs = measured.get(result.record.cell_id, [])
        for place in dict.fromkeys(key_of(cost.record) for cost in costs) or [key_of(result.record)]:
            groups.setdefault(place, []).append(result)
    worked = {key for key, group in groups.items() if any(result.record.status == "ok" for result in group)}
    ran = {(key_of(result.record), _run(result.record)) for result in untrained}
    for result in untrained:
        key, run = key_of(result.record), _run(result.record)
        alike = [other for other in groups if _but_for_the_device(other) == _but_for_the_device(key)]
        # It is the same on every device, and so beside all that ended well; but where it ran again that run stands.
        places = [place for place in alike if place == key or (place in worked and (place, run) not in ran)]
        for place in places or alike[:1] or [key]:
            groups.setdefault(place, []).append(result)
    return groups


def _run(record: Record) -> str:
    return canonical_json([record.cell.method, record.cell.options, record.cell.seed, record.cell.repeat])


def _but_for_the_device(key: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in key if name not in OF_THE_DEVICE]


def _elsewhere(comparison: Comparison, comparisons: list[Comparison]) -> set[str]:
    """Methods and rows that have accuracies in other comparisons that are equal but for the device."""
    asked = _but_for_the_device(comparison.conditions.items())
    others = [each for each in comparisons if each is not comparison]
    alike = [each for each in others if _but_for_the_device(each.conditions.items()) == asked]
    reached = [(each, result.record) for each in alike for result in each.results if result.record.accuracy]
    return {name for each, record in reached for name in (record.cell.method, each.labels[record.cell_id])}


def in_order(comparisons: list[Comparison]) -> list[Comparison]:
    """As they were run; of those whose data or towers differ though their names do not, the newest first."""
    versions: dict[tuple[tuple[str, str], ...], list[Comparison]] = {}
    for comparison in sorted(comparisons, key=lambda comparison: comparison.results[0].record.started):
        versions.setdefault(comparison.named, []).append(comparison)
    for group in versions.values():
        group.sort(key=lambda comparison: comparison.results[-1].record.started, reverse=True)
    return [comparison for group in versions.values() for comparison in group]


def newest(results: list[Result]) -> tuple[list[Result], list[Result]]:
    """Cells in the order in which they were run: those that count, and those of which a newer one is the same run."""
    ordered = sorted(results, key=lambda result: result.record.started)
    records = [result.record for result in ordered]
    left_out = older(records, label_cells(records))
    kept, replaced = ([s for s in ordered if (s.record.cell_id in left_out) is away] for away in (False, True))
    return kept, replaced


def entitle(comparisons: list[Comparison]) -> None:
    """Names each comparison after its dataset and backbones, and whatever else sets it apart from the others."""
    names = list(dict.fromkeys(name for comparison in comparisons for name in comparison.conditions))
    differing = [name for name in names if len({c.conditions.get(name, "") for c in comparisons}) > 1]
    whole = len({c.towers for c in comparisons}) < len({c.conditions["backbones"] for c in comparisons})
    for number, comparison in enumerate(comparisons, start=1):
        towers = comparison.conditions["backbones"] if whole else comparison.towers
        first = [comparison.conditions["dataset"], towers]
        told = ("dataset", "backbones", EQUAL_MEMORY, PLANNED)
        extra = [n for n in differing if n not in told and comparison.conditions.get(n)]
        equal = [comparison.equal] if comparison.memory or EQUAL_MEMORY in differing else []
        settings = (f"{n} {comparison.conditions[n]}" for n in extra)
        planned = ["planned"] if PLANNED in comparison.conditions else []
        comparison.title = ", ".join([*filter(None, first), *planned, *equal, *settings])
        comparison.name = str(number) if len(comparisons) > 1 else ""


def shared(comparison: Comparison, fact: Callable[[Record], Any]) -> list[Any]:
    """The distinct values of a fact over a comparison's cells, in order."""
    return list(dict.fromkeys(fact(result.record) for result in comparison.results))
