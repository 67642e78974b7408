"""Records → comparisons: the cells that may stand in one ranking, one row a cell and one row a method.

Cells are compared when dataset, backbones, training settings, machine and meter are the same. They may differ in how
many epochs they were given, which changes no cost of an epoch; the page says so when they do.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ...cell import SECTIONS, SEQUENTIAL
from ...errors import BenchError
from ...metrics import METRICS, PRIMARY, Metric, headline
from ...text import visible
from ..records import Record, load_records, log_path, ranks_path, record_path
from .cells import FAMILIES, SIGN, origin, row
from .ranks import kept_ranks
from .rows import LOOSE, label_cells, older, told_apart
from .tpme import COSTS

ORIGINS = {
    "cuda-allocated": "peak of CUDA memory allocated (max_memory_allocated)",
    "cpu-tensors": "peak of live tensor bytes on the CPU",
}
OF_THE_DEVICE = {"device", "memory meter", "CPU", "cores", "threads", "GPU"}
"""Settings of a comparison that say on what its cells ran."""


@dataclass(frozen=True)
class Source:
    """A record and the study's directory it was read from, None for one that was handed over in memory.

    `spoilt`: the ranks beside it are not its own, so that it counts as if it had kept none.
    """

    record: Record
    directory: Path | None = None
    spoilt: bool = False

    @property
    def ranks(self) -> Path | None:
        """Where the cell's ranks stand, None when they were not kept."""
        path = ranks_path(self.directory, self.record.cell_id) if self.directory and not self.spoilt else None
        return path if path and path.exists() else None

    @property
    def log(self) -> Path | None:
        """Where stands, within the study's directory, what the cell printed; None when that was not kept."""
        path = log_path(self.directory, self.record.cell_id) if self.directory else None
        return path.relative_to(self.directory) if path and self.directory and path.exists() else None

    @property
    def file(self) -> Path | None:
        """Where the record stands."""
        return record_path(self.directory, self.record.cell_id) if self.directory else None


@dataclass
class Comparison:
    """Cells that may stand in one ranking. `settings` is what they share, `name` a short name fit for a file.

    `disturbed`: epochs that lost more than a fifth to waiting count for T as well. `replaced`: cells left out, as a
    newer one has the same row, seed and repeat.
    """

    settings: dict[str, str]
    sources: list[Source]
    replaced: list[Source] = field(default_factory=list)
    title: str = ""
    name: str = ""
    disturbed: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of these cells' task, in order."""
        return tuple(self.sources[0].record.metrics)

    @property
    def primary(self) -> Metric:
        """The metric that the cells are judged by."""
        return self.headline[0]

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics that tables show, the primary one first."""
        return headline(self.metrics, self.sources[0].record.primary_metric)

    @property
    def slices(self) -> list[str]:
        """The slices of the test users, in order."""
        of_cells = (source.record.accuracy.slices for source in self.sources if source.record.accuracy)
        return list(dict.fromkeys(name for slices in of_cells for name in slices))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Cell id → the row it belongs to: the method's name, with the options in which its cells differ, in a line."""
        labels = label_cells([source.record for source in (*self.sources, *self.replaced)])
        shown = told_apart(sorted(set(labels.values())))
        return {cell_id: shown[label] for cell_id, label in labels.items()}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell, failed ones included; `label` names the method's row."""
        rows = [
            {
                "label": self.labels[source.record.cell_id],
                "tells_of_build": tells_of_build(source.record),
                **row(source.record, self.disturbed),
            }
            for source in self.sources
        ]
        frame = pd.DataFrame(rows)
        texts = {"label", "method", "family", "study", "cell_id", "status", "error", "started"}
        numeric = [name for name in frame.columns if name not in texts]
        frame[numeric] = frame[numeric].apply(pd.to_numeric)
        frame["time"] = frame["time"].where(frame["time"] > 0)  # nothing takes no time: a broken clock, or edited
        # Spread over the epochs, so that what a cache cost can be added to what an epoch costs.
        spread = frame["cache_build"].fillna(0.0) / frame["epochs"]
        return frame.assign(time_with_cache=frame["time"] + spread)

    @cached_property
    def methods(self) -> pd.DataFrame:
        """One row a method: means over seeds, `… sd` their deviation (None with one), states and counts of cells."""
        metrics = [f"{metric.name} {name}" for metric in self.headline for name in self.slices]
        return summarise(self.cells, ["time", "memory", *(metric.name for metric in self.metrics), *metrics])

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """The rows of `methods` that take part in TPME: trained, all three costs known, no reference row."""
        methods = self.methods
        return methods[(methods["family"] != "reference") & methods[list(COSTS)].notna().all(axis=1)]

    @property
    def drawn(self) -> list[str]:
        """The rows that pictures show, those with a time, in the order in which each gets its colour."""
        return [str(label) for label in self.methods.index[self.methods["time"].notna()]]

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The settings as they are called: the same for several versions of the data or of the towers."""
        return tuple((name, value) for name, value in self.settings.items() if "fingerprint" not in name)

    @property
    def meter(self) -> str:
        """What M is here, in words."""
        return ORIGINS[self.settings["memory meter"]]

    def row(self, name: str) -> str:
        """The row of that name; else, of a method with several rows, that with most cells, then with most epochs."""
        of_method = self.methods[self.methods["method"] == name]
        if name in self.methods.index or of_method.empty:
            return name
        return str(of_method.sort_values(["ok", "epochs"], na_position="first").index[-1])

    def ok(self, label: str) -> list[Source]:
        """The cells of a method that ended well, in order of seed and repeat."""
        of_label = [s for s in self.sources if self.labels[s.record.cell_id] == label and s.record.status == "ok"]
        return sorted(of_label, key=lambda source: (source.record.cell.seed, source.record.cell.repeat))

    def breakdown(self, parts: Callable[[Record], dict[str, float]]) -> pd.DataFrame:
        """Mean of a record's parts by name, methods × parts; methods without any are left out."""
        means = {}
        for label in self.methods.index:
            rows = [found for source in self.ok(label) if (found := parts(source.record))]
            if rows:
                means[label] = pd.DataFrame(rows).rename(columns=visible).fillna(0).mean()
        return pd.DataFrame(means).T.fillna(0.0)


def load(directories: Iterable[Path], damage: list[str] | None = None) -> list[Source]:
    """All records of some studies; of a cell that stands in several, the latest.

    `damage` as in `load_records`: it takes a line for ranks that cannot be used, too.
    """
    latest: dict[str, Source] = {}
    for directory in directories:
        for record in load_records(directory, damage):
            known = latest.get(record.cell_id)
            if known is None or known.record.started <= record.started:
                latest[record.cell_id] = Source(record, directory)
    if damage is not None:
        latest = {cell_id: _with_usable_ranks(source, damage) for cell_id, source in latest.items()}
    return sorted(latest.values(), key=lambda source: source.record.started)


def _with_usable_ranks(source: Source, damage: list[str]) -> Source:
    try:
        if source.record.status == "ok" and source.ranks is not None:
            kept_ranks(source.ranks, source.record)
    except BenchError as error:
        damage.append(str(error).removeprefix(f"{source.directory}/"))
        return replace(source, spoilt=True)
    return source


def compare(sources: list[Source], disturbed: bool = False) -> list[Comparison]:
    """Sorts cells into comparisons, in the order of `in_order`; see `Comparison` for `disturbed`."""
    groups: dict[tuple[tuple[str, str], ...], list[Source]] = {}
    machines: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for source in sorted(sources, key=lambda source: (trains_nothing(source.record), machine(source.record) == {})):
        protocol = tuple(settings(source.record).items())
        found = machine(source.record) or machines.get(protocol, {})
        machines.setdefault(protocol, found)
        key = (*protocol, *found.items())
        if trains_nothing(source.record) and key not in groups:  # beside what a card trained, it ran on the CPU
            key = next((other for other in groups if _but_for_the_device(other) == _but_for_the_device(key)), key)
        groups.setdefault(key, []).append(source)
    result = in_order([Comparison(dict(key), *newest(group), disturbed=disturbed) for key, group in groups.items()])
    entitle(result)
    return result


def trains_nothing(record: Record) -> bool:
    """Whether a cell is a ranking without training, which has no costs and is the same on every device."""
    return record.status == "ok" and record.memory is None and not record.time.epochs


def _but_for_the_device(key: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in key if name not in OF_THE_DEVICE]


def in_order(comparisons: list[Comparison]) -> list[Comparison]:
    """As they were run; of those whose data or towers differ though their names do not, the newest first."""
    versions: dict[tuple[tuple[str, str], ...], list[Comparison]] = {}
    for comparison in sorted(comparisons, key=lambda comparison: comparison.sources[0].record.started):
        versions.setdefault(comparison.named, []).append(comparison)
    for group in versions.values():
        group.sort(key=lambda comparison: comparison.sources[-1].record.started, reverse=True)
    return [comparison for group in versions.values() for comparison in group]


def newest(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Cells in the order in which they were run: those that count, and those of which a newer one is the same run."""
    ordered = sorted(sources, key=lambda source: source.record.started)
    records = [source.record for source in ordered]
    left_out = older(records, label_cells(records))
    kept, replaced = ([s for s in ordered if (s.record.cell_id in left_out) is away] for away in (False, True))
    return kept, replaced


def settings(record: Record) -> dict[str, str]:
    """What must be equal in a comparison, but for the machine, in words."""
    cell = record.cell
    towers = " + ".join(name for name in (cell.backbones.text, cell.backbones.image) if name)
    choice = cell.backbones.model_dump(exclude={"text", "image", "fingerprint"}, exclude_none=True)
    protocol = cell.model_dump(mode="json", include=set(SECTIONS))
    chosen = {name: value for section in SECTIONS for name, value in protocol[section].items() if name not in LOOSE}
    return {
        "dataset": cell.dataset,
        "dataset fingerprint": cell.dataset_fingerprint[:12],
        "modalities": cell.modalities,
        "missing images": cell.missing_images,
        "backbones": towers,
        "backbones fingerprint": cell.backbones.fingerprint[:12],
        "backbone weights": str(choice.pop("weights")),
        **{name.replace("_", " "): str(value) for name, value in choice.items()},
        **{name.replace("_", " "): str(value) for name, value in chosen.items()},
        **task(record),
        "deterministic": str(cell.deterministic),
        "device": cell.device,
        "memory meter": origin(record),
    }


def task(record: Record) -> dict[str, str]:
    """What the cells were asked and are judged by, unless it is what it always was."""
    names = [metric.name for metric in record.metrics]
    known = {"task": record.cell.task, "primary metric": record.primary_metric, "metrics": ", ".join(names)}
    usual = {"task": SEQUENTIAL, "primary metric": PRIMARY, "metrics": ", ".join(METRICS)}
    return {} if known == usual else known


def machine(record: Record) -> dict[str, str]:
    """The machine in words; empty for a cell that failed before it could say."""
    environment = record.environment
    if not environment.cpu and not environment.gpu:
        return {}
    return {
        "CPU": environment.cpu,
        "cores": str(environment.cores),
        "threads": str(environment.threads),
        **({"GPU": environment.gpu} if environment.gpu else {}),
    }


def entitle(comparisons: list[Comparison]) -> None:
    """Names each comparison after its dataset and backbones, and whatever else sets it apart from the others."""
    names = list(dict.fromkeys(name for comparison in comparisons for name in comparison.settings))
    differing = [name for name in names if len({c.settings.get(name, "") for c in comparisons}) > 1]
    for number, comparison in enumerate(comparisons, start=1):
        first = [comparison.settings["dataset"], comparison.settings["backbones"]]
        extra = [n for n in differing if n not in ("dataset", "backbones") and comparison.settings.get(n)]
        comparison.title = ", ".join([*filter(None, first), *(f"{n} {comparison.settings[n]}" for n in extra)])
        comparison.name = str(number) if len(comparisons) > 1 else ""


def summarise(cells: pd.DataFrame, spread: list[str]) -> pd.DataFrame:
    """One row a method, by family and then in the order of the cells, with the deviations of the columns `spread`."""
    ok = cells[cells["status"] == "ok"]
    numeric = [n for n in ok.select_dtypes("number").columns if n not in ("seed", "repeat", "cache_reused")]
    by_seed = ok.groupby(["label", "seed"])[numeric].mean()
    means = by_seed.groupby("label").mean()
    means["memory_cache_build"] = ok[ok["tells_of_build"]].groupby("label")["memory_cache_build"].mean()
    deviations = by_seed[spread].groupby("label").std()
    deviations["time"] = ok.groupby("label")["time"].std()
    facts = cells.groupby("label", sort=False).agg(
        method=("method", "first"), family=("family", "first"), cells=("status", "size"), seeds=("seed", "nunique")
    )
    facts["ok"] = ok.groupby("label").size().reindex(facts.index).fillna(0).astype(int)
    facts["status"] = [status(cells[cells["label"] == label]["status"].tolist()) for label in facts.index]
    single = ok.groupby("label")["epochs"].min() == 1
    facts["single_epoch"] = single.reindex(facts.index).eq(True)
    facts = facts.join(means).join(deviations.add_suffix(" sd"))
    facts["time sign"] = (facts["marked"] > 0).map({True: SIGN, False: ""})
    order = facts["family"].map(FAMILIES.index)
    return facts.iloc[order.argsort(kind="stable")]


def tells_of_build(record: Record) -> bool:
    """Whether its memory of the cache build is that of a build; an older record that found its cache has another."""
    return not record.time.cache_reused or bool(record.time.cache_built_by)


def status(statuses: list[str]) -> str:
    """`ok`, or the failures and their numbers: `4 of 5 ok, 1 oom`."""
    failures: dict[str, int] = {}
    for one in statuses:
        if one != "ok":
            failures[one] = failures.get(one, 0) + 1
    if not failures:
        return "ok"
    if len(statuses) == 1:
        return statuses[0]
    words = ", ".join(f"{count} {name}" for name, count in failures.items())
    return f"{len(statuses) - sum(failures.values())} of {len(statuses)} ok, {words}"


def shared(comparison: Comparison, fact: Callable[[Record], Any]) -> list[Any]:
    """The distinct values of a fact over a comparison's cells, in order."""
    return list(dict.fromkeys(fact(source.record) for source in comparison.sources))
