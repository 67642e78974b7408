"""What a script or a notebook uses: run a study, load what studies left, and take it further as pandas' frames.

The command's own code behind it: `bench run` and `run` are one, and so are `bench report` and `Results.report`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from .bench.console import Screen
from .bench.running.request import Request
from .bench.running.session import run_study
from .bench.study.study import Study, read_study
from .bench.study.variants import split_methods
from .errors import BenchError, unknown
from .reports.analysis import results as reading
from .reports.analysis.comparison import Comparison, compare
from .reports.analysis.frame import frame
from .reports.analysis.results import Result
from .reports.analysis.tpme import CostWeights, pareto, parse_weights, preset, rankable, tpme
from .reports.formats import notebook
from .reports.report import ReportOptions, write_report

Place = str | Path
Names = str | Sequence[str]
Weights = str | Sequence[float] | CostWeights
"""TPME's: a preset's name, `0.45,0.10,0.45` (time, parameters, memory), three numbers, or `CostWeights`."""

_INTERRUPTED = 130


def run(
    study: Study | Mapping[str, Any] | Place | None = None,
    *,
    out: Place | None = None,
    methods: Names | None = None,
    dataset: Place | Sequence[Place] | None = None,
    backbones: Names | None = None,
    modalities: str | None = None,
    seeds: int | None = None,
    repeats: int | None = None,
    epochs: int | None = None,
    device: str | None = None,
    settings: Mapping[str, Any] | None = None,
    rerun: Names = (),
    only_failed: bool = False,
    keep_stale: bool = False,
    save: bool = False,
    strict: bool = False,
    quiet: bool = False,
) -> "Results":
    """Runs what is missing of a study, as `bench run` does, and gives all that stands in its directory.

    `study`: a file, the name of a shipped one, what a file would hold as a mapping, or a `Study`; None is the demo, or
    with a dataset or backbones the published protocol. What the keywords say stands over it: they are the command's
    options, and `settings` has any key of a study (`{"training.batch": 32}`). `out`: the study's directory, by default
    runs/NAME. `quiet`: nothing is printed. No report is written: `Results.report` does.

    A cell that fails is a row of the result, and with `strict` a BenchError once all others are done. BenchError for
    whatever is wrong with the study; after KeyboardInterrupt the same call goes on where it stopped.
    """
    given = {
        "methods": methods if methods is None or isinstance(methods, str) else list(methods),
        "datasets": None if dataset is None else [str(each) for each in _listed(dataset)],
        "backbones": None if backbones is None else _listed(backbones),
        "modalities": modalities,
        "seeds": seeds,
        "repeats": repeats,
        "training.epochs": epochs,
        "device": device,
    }
    chosen = read_study(_source(study), given | dict(settings or {}))
    directory = chosen.directory if out is None else Path(out)
    again = tuple(split_methods(rerun) if isinstance(rerun, str) else rerun)
    status = run_study(
        chosen,
        Request(directory, False, only_failed, again, keep_stale, strict=strict, save=save, report=False),
        Screen(quiet=quiet),
    )
    if status == _INTERRUPTED:
        raise KeyboardInterrupt
    found = load(directory)
    if status:
        raise _failure(directory, found)
    return found


def load(paths: Place | Iterable[Place], *, disturbed: bool = False) -> "Results":
    """What studies left in their directories, which published reports' folders are too.

    `disturbed`: epochs that lost more than a fifth to waiting for a core count for T as well. A record that cannot be
    read is left out with a warning; BenchError where none can be.
    """
    directories = [Path(each) for each in _listed(paths)]
    for directory in directories:
        if directory.is_file():
            raise BenchError(f"{directory}: is a file; give the study's directory, the one with records/ in it")
    if not directories:
        raise BenchError("no directory: give a study's, or a list of them")
    damage: list[str] = []
    results = reading.load(directories, damage)
    for line in damage:
        warnings.warn(f"left out: {line}", stacklevel=2)
    if not results:
        raise BenchError(f"{directories[0]}: no record can be read, the first as {damage[0]}")
    return Results(results, directories, disturbed)


class Results:
    """What cells came to: a row a cell, a row a method, TPME, Pareto fronts, reports.

    Seconds, bytes and counts stand as such. What may not be ranked together (other data, towers, protocol, machine or
    meter) falls into several comparisons; a frame over methods then has their titles as the first level of its index.
    """

    def __init__(self, results: Sequence[Result], directories: Sequence[Path], disturbed: bool = False) -> None:
        self._results = list(results)
        self.directories = list(directories)
        self.disturbed = disturbed

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """The cells by what may stand in one ranking."""
        return compare(self._results, self.disturbed)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row a cell, failed ones included, in the order in which they were run.

        `label` names its row in `methods`; it is missing where a newer cell, or the choice of a search, has the place.
        """
        labels: dict[str, str] = {}
        for comparison in self.comparisons:
            for result in comparison.results:
                labels.setdefault(result.record.cell_id, comparison.labels[result.record.cell_id])
        cells = frame([result.record for result in self._results], self.disturbed)
        cells.insert(0, "label", cells["cell_id"].map(labels).astype("string"))
        return cells

    @cached_property
    def methods(self) -> pd.DataFrame:
        """A row a method, or a variant of one: means over seeds, and `… sd` their deviations, missing of one seed."""
        return self._joined([comparison.methods for comparison in self.comparisons])

    def tpme(self, weights: Weights = "paper") -> pd.DataFrame:
        """The weighted parts `time`, `parameters`, `memory` and their sum `tpme`, lowest first; see `tpme.tpme`.

        Only methods that have all three costs are in it, and reference rows are not. Of fewer than three the parts are
        missing: min-max over two rows is always 0 and 1, and says nothing.
        """
        chosen = _weights(weights)
        scored = [_scored(comparison, chosen) for comparison in self.comparisons]
        return self._joined([each.sort_values("tpme", kind="stable") for each in scored])

    def pareto(self, gain: str = "HR@10", cost: str = "memory") -> pd.DataFrame:
        """The methods that no other dominates in two columns of `methods`, or `tpme`: the front, cheapest first.

        Of metrics the better direction is the metric's own, of all else less is better. BenchError for a column that
        there is not, or that is no number.
        """
        return self._joined([_front(comparison, gain, cost) for comparison in self.comparisons])

    def report(
        self,
        directory: Place | None = None,
        formats: Names = ("md", "html"),
        *,
        weights: Weights = "paper",
        reference: str = "fft",
    ) -> list[Path]:
        """Writes a report as `bench report` does, by default into the first study's directory; gives the files."""
        names = [part.strip() for part in formats.split(",")] if isinstance(formats, str) else formats
        output = None if directory is None else Path(directory)
        options = ReportOptions(
            formats=tuple(names),
            weights=_weights(weights),
            reference=reference,
            output=output,
            disturbed=self.disturbed,
        )
        return write_report(self.directories, options)

    def _joined(self, frames: list[pd.DataFrame]) -> pd.DataFrame:
        """The comparisons' frames as one; of a single comparison its own."""
        if len(frames) == 1:
            return frames[0].copy()
        titles = [comparison.title for comparison in self.comparisons]
        return pd.concat(frames, keys=titles, names=["comparison", "label"])

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self._results)

    def __repr__(self) -> str:
        titles = "; ".join(comparison.title for comparison in self.comparisons)
        return f"<Results: {len(self)} cells, {len(self.methods)} rows; {titles}>"

    def __str__(self) -> str:
        return notebook.plain(self._results)

    def _repr_html_(self) -> str:
        return notebook.html(self.comparisons)


def _source(study: Study | Mapping[str, Any] | Place | None) -> Mapping[str, Any] | str | None:
    if isinstance(study, Study):
        return study.model_dump(exclude_unset=True)
    return str(study) if isinstance(study, Path) else study


def _failure(directory: Path, found: Results) -> BenchError:
    failed = found.frame[found.frame["status"] != "ok"]
    first = f"{failed['status'].iloc[0]}: {failed['error'].iloc[0]}"
    return BenchError(f"{directory}: of {len(found)} cells {len(failed)} failed, the first as {first}")


def _scored(comparison: Comparison, weights: CostWeights) -> pd.DataFrame:
    scored = tpme(comparison.ranked, weights)
    return scored if rankable(comparison.ranked) else scored * float("nan")


def _front(comparison: Comparison, gain: str, cost: str) -> pd.DataFrame:
    methods = comparison.methods.join(_scored(comparison, CostWeights())["tpme"])
    numeric = methods.select_dtypes("number")
    for name in (gain, cost):
        if name not in numeric:
            raise unknown("column", name, [str(column) for column in numeric])
    falling = {name: -_sign(comparison, name) * numeric[name].astype(float) for name in (gain, cost)}
    front = pareto(falling[cost], -falling[gain])
    return methods.loc[front, list(dict.fromkeys((gain, cost)))].sort_values(cost, kind="stable")


def _sign(comparison: Comparison, column: str) -> int:
    """1 for a column of which more is better, as a metric or one of its slices may be; else -1."""
    better = {metric.name: metric.better for metric in comparison.metrics}
    return 1 if better.get(column.partition(" ")[0], "less") == "more" else -1


def _weights(weights: Weights) -> CostWeights:
    if isinstance(weights, CostWeights):
        return weights
    if isinstance(weights, str):
        return parse_weights(weights) if "," in weights else preset(weights)
    return parse_weights(",".join(map(str, weights)))


def _listed(given: Any) -> list[Any]:
    """One thing or several as a list; a text or a path is one thing."""
    return [given] if isinstance(given, str | Path) else list(given)
