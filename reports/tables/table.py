"""Tables as data: which columns, in which unit, and which number is best. Every page renders these same tables."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from ..analysis.comparison import Comparison
from ..analysis.convergence import BOUND, bounds, unchecked
from ..analysis.epochs import LEFT_OUT, MARKED, SIGN
from ..quantities import NONE, Kind, Unit, missing, show, unit

REPEATS = {"miss": "counted as missed", "rank": "ranked like any other, no history masked"}


@dataclass(frozen=True)
class Column:
    """A column of a table's frame: its heading, how to show it, and whether less or more is better (None: neither).

    `stays` even where all rows say the same, as what rows are compared in does.
    """

    key: str
    heading: str
    kind: Kind = "text"
    better: str | None = None
    stays: bool = False


@dataclass(frozen=True)
class Table:
    """Raw values by row (the index, headed `index`) with the columns to show.

    `… sd` columns of the frame give the deviations, `… sign` columns what stands behind a value.

    `contest` are the rows among which the best and the second are sought, None for all. `common`: what all rows share,
    beside the caption.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    index: str = "method"
    notes: tuple[str, ...] = ()
    contest: pd.Index | None = None
    common: str = ""

    def unit(self, column: Column) -> Unit:
        """The unit of a whole column."""
        return unit(column.kind, self.frame[column.key]) if column.kind != "text" else Unit()

    def heading(self, column: Column) -> str:
        """The column's heading with its unit."""
        return self._headings[column.key]

    @cached_property
    def _headings(self) -> dict[str, str]:
        """Headings by key. Parts and kinds are named by methods, so two may be alike: the later one is numbered."""
        headings: dict[str, str] = {}
        for column in self.columns:
            name = self.unit(column).name
            first = heading = f"{column.heading} ({name})" if name else column.heading
            number = 1
            while heading in headings.values():
                number += 1
                heading = f"{first} [{number}]"
            headings[column.key] = heading
        return headings

    @cached_property
    def texts(self) -> pd.DataFrame:
        """Every value as text, rows and columns in order; nothing is left empty."""
        shown = {}
        for column in self.columns:
            scale = self.unit(column)
            spread = self.frame.get(f"{column.key} sd", pd.Series(index=self.frame.index, dtype=float))
            pairs = zip(self.frame[column.key], spread, strict=True)
            texts = [show(v, column.kind, scale, d) or NONE for v, d in pairs]
            signs = self.frame.get(f"{column.key} sign", [""] * len(texts))
            shown[self.heading(column)] = [f"{text} {sign}".rstrip() for text, sign in zip(texts, signs, strict=True)]
        return pd.DataFrame(shown, index=self.frame.index)

    @cached_property
    def marks(self) -> pd.DataFrame:
        """`best` and `second` in the places of the best and the second best value of a column, as shown; else ""."""
        texts = self.texts
        result = pd.DataFrame("", index=texts.index, columns=texts.columns)
        for column in self.columns:
            if column.better is None:
                continue
            values = pd.to_numeric(self.frame[column.key], errors="coerce").round(12)
            rivals = values if self.contest is None else values[values.index.isin(self.contest)]
            ladder = sorted(rivals.dropna().unique(), reverse=column.better == "more")
            for mark, value in zip(("best", "second"), ladder if len(ladder) > 1 else [], strict=False):
                result.loc[rivals.index[rivals == value], self.heading(column)] = mark
        return result


def condensed(table: Table) -> Table:
    """The table for a page: a column that says the same in all of several rows is told once, beside the caption."""
    alike = {
        column.key: f"{column.heading} {table.texts.iloc[0, place]} {table.unit(column).name}".rstrip()
        for place, column in enumerate(table.columns)
        if not column.better and not column.stays and table.texts.iloc[:, place].nunique() == 1
    }
    if len(table.frame) < 2 or len(alike) == len(table.columns):
        return table
    columns = tuple(column for column in table.columns if column.key not in alike)
    return replace(table, columns=columns, common=f"In every row: {', '.join(alike.values())}." if alike else "")


def present(frame: pd.DataFrame, columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns of which the frame has at least one value."""
    return tuple(column for column in columns if column.key in frame and not frame[column.key].map(missing).all())


def bound_notes(comparison: Comparison) -> list[str]:
    """What the mark behind an accuracy means, if there is any."""
    if not bounds(comparison):
        return []
    same = ", or half of it ends no earlier and so checks nothing" if unchecked(comparison) else ""
    return [
        f"{BOUND}: a bound, not what the method reaches: training was stopped by its limit of epochs, or doubling the "
        f"patience still changed the result{same}."
    ]


def choices_note(comparison: Comparison) -> list[str]:
    """Which settings the rows of searched methods have."""
    chosen = [f"{comparison.labels[search.rows[0].record.cell_id]}: {search.choice}" for search in comparison.searches]
    return [f"Settings chosen on valid {comparison.primary.name}: {'; '.join(chosen)}."] if chosen else []


def status_with_disturbance(rows: pd.DataFrame) -> pd.Series:
    """The status column, which says of a row without T that its times were disturbed, or that others ran beside it."""
    untimed = rows["time"].isna()
    disturbed, beside = untimed & rows["left_out"].gt(0), untimed & rows["beside"].gt(0)
    status = rows["status"].where(~disturbed, rows["status"] + ", no T: disturbed")
    return status.where(disturbed | ~beside, status + ", no T: beside others")


def disturbance_notes(rows: pd.DataFrame) -> list[str]:
    """What the mark behind a time means, and which rows lack epochs, or T itself, because other work disturbed them."""
    notes = []
    if rows["marked"].gt(0).any():
        notes.append(
            f"{SIGN}: an epoch behind this time lost more than {MARKED:.0%} to waiting for a core, or the GPU was "
            "shared: run it again on a quiet machine."
        )
    lost = [str(label) for label in rows.index[rows["left_out"].gt(0)]]
    none = [str(label) for label in rows.index[rows["left_out"].gt(0) & rows["time"].isna()]]
    if lost:
        notes.append(
            f"Epochs that lost more than {LEFT_OUT:.0%} are no part of T, in {', '.join(dict.fromkeys(lost))}; "
            "`bench report --disturbed` counts them."
        )
    if none:
        notes.append(f"No T, because every epoch was disturbed so much: {', '.join(dict.fromkeys(none))}.")
    return notes


def spread_note(seeds: pd.Series) -> str:
    """What ± means in this table, given how many seeds each row has: the usual number, and which rows have others."""
    rows: dict[int, list[str]] = {}
    for label, count in seeds.items():
        rows.setdefault(int(count), []).append(str(label))
    if set(rows) == {1}:
        return "One seed: no deviation can be given."
    usual = max(rows, key=lambda count: (len(rows[count]), count))
    others = [f"{count} of {', '.join(rows[count])}" for count in sorted(rows, reverse=True) if count != usual]
    counts = "; ".join([f"{usual} a row", *others])
    return f"±: standard deviation over seeds ({counts}); of one seed none is given."


def failures_table(comparison: Comparison) -> Table | None:
    """The cells that failed, with their cause; None when none did."""
    failed = comparison.cells[comparison.cells["status"] != "ok"]
    if failed.empty:
        return None
    frame = failed.assign(cause=failed["error"].fillna("not recorded").str.split("\n").str[0])
    logs = {result.record.cell_id: result.log for result in comparison.results}
    frame["log"] = [log.as_posix() if (log := logs[cell]) else NONE for cell in frame["cell_id"]]
    frame = frame.set_index("label")[["seed", "status", "cause", "log", "cell_id"]]
    columns = (Column("seed", "seed", "integer"), Column("status", "status"), Column("cause", "cause"))
    return Table("failures", "Cells that failed", frame, (*columns, Column("log", "log"), Column("cell_id", "cell")))


def targets_table(comparison: Comparison) -> Table | None:
    """The headline metrics on each slice of the test users; None without accuracy or slices."""
    slices = comparison.slices
    pairs = [(metric, f"{metric.name} {name}") for metric in comparison.headline for name in slices]
    columns = present(comparison.methods, (Column(key, key, "metric", metric.better) for metric, key in pairs))
    frame = comparison.methods[comparison.methods[comparison.primary.name].notna()]
    if frame.empty or not columns:
        return None
    first = frame.iloc[0]
    counts = ", ".join(f"{name} {int(users)}" for name in slices if not missing(users := first[f"users_{name}"]))
    sizes = f"Test users by kind of target: {counts}."
    if "repeat" in slices:
        sizes += f" Repeat targets: {REPEATS[comparison.conditions['repeat targets']]}."
    notes = (comparison.results[0].record.slices, sizes)
    return Table("targets", "Accuracy by kind of target", frame, columns, notes=tuple(filter(None, notes)))


def cells_table(comparison: Comparison) -> Table:
    """Every cell with its own numbers; `cell_id` leads to its record."""
    frame = comparison.cells.set_index("label")
    signs = (frame["marked"] > 0).map({True: SIGN, False: ""})
    frame = frame.assign(**{"time sign": signs, "status": status_with_disturbance(frame)})
    columns = (
        Column("seed", "seed", "integer"),
        Column("repeat", "repeat", "integer"),
        Column("status", "status"),
        *(Column(metric.name, metric.name, "metric") for metric in comparison.headline),
        Column("time", "T", "seconds"),
        Column("parameters", "P", "count"),
        Column("memory", "M", "bytes"),
        Column("epochs", "epochs", "integer"),
        Column("best_epoch", "best epoch", "integer"),
        Column("total_time", "whole cell", "seconds"),
        Column("cell_id", "cell"),
    )
    return Table("cells", "Every cell", frame, present(frame, columns), notes=tuple(disturbance_notes(frame)))
