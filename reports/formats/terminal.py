"""The table that ends a run, in the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import BenchError
from ..analysis.comparison import Comparison, compare
from ..analysis.paired import user_tests
from ..analysis.results import Result
from ..analysis.tpme import CostWeights
from ..analysis.verdicts import verdicts
from ..tables import table as tables
from ..tables.main import main_table
from .sentences import verdict_sentences

if TYPE_CHECKING:
    from rich.console import Group

SHOWN = ("time", "parameters", "memory", "tpme", "ratio", "status")


def summary_table(results: list[Result], weights: CostWeights | None = None) -> Group:
    """A comparison's verdicts and its table: the primary metric, T, P, M and the scores, the best numbers bold.

    Given what `load` finds in a study's directory, it shows the numbers of that directory's report.
    """
    from rich import box
    from rich.console import Group

    from .grid import Grid, plain

    weights = weights or CostWeights()
    parts = []
    for comparison in compare(results):
        main, primary = main_table(comparison, weights), comparison.primary.name
        columns = tuple(column for column in main.columns if column.key in (primary, *SHOWN))
        spread = [name for name in main.frame.columns if name.endswith(" sd") and name != f"{primary} sd"]
        main = replace(main, columns=columns, frame=main.frame.drop(columns=spread))
        grid = Grid(
            title=comparison.title,
            caption=f"T, P, M: seconds of an epoch, trainable parameters, peak memory; scores weigh them {weights}",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        grid.add_column("method")
        for column in columns:
            grid.add_column(main.heading(column), justify="left" if column.kind == "text" else "right", no_wrap=True)
        for label, texts, marks in zip(main.texts.index, main.texts.to_numpy(), main.marks.to_numpy(), strict=True):
            values = [plain(text, "bold" if mark == "best" else "") for text, mark in zip(texts, marks, strict=True)]
            grid.add_row(str(label), *values)
        notes = tables.disturbance_notes(main.frame) + tables.bound_notes(comparison)
        notes += tables.choices_note(comparison)
        parts += [*(plain(line) for line in said(comparison, weights)), grid]
        parts += [plain(note, "yellow") for note in notes]
    return Group(*parts)


def said(comparison: Comparison, weights: CostWeights) -> list[str]:
    """The verdicts on a comparison, a sentence each; what is wrong where ranks cannot be used, which hides no table."""
    row = comparison.row("fft")
    try:
        return verdict_sentences(verdicts(comparison, weights, row, user_tests(comparison, row)))
    except BenchError as error:
        return [f"No verdicts: {error}."]
