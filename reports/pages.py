"""What a report says of a comparison, section by section, for every format alike."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import pandas as pd

from . import anatomy, caching, headline, plot_accuracy, plot_costs, plot_sensitivity, sensitivity, significance
from .formats import quantity, show, unit
from .frame import Comparison
from .plots import Picture
from .settings import settings_table, tuning, warnings
from .tables import Table, cells_table, failures_table, main_table, targets_table
from .tpme import COSTS, Weights, tpme
from .uncertainty import user_tests

T = TypeVar("T")
AXES = {
    "time": ("seconds", "T, training time in {unit} an epoch (logarithmic)"),
    "parameters": ("count", "P, trainable parameters in {unit} (logarithmic)"),
    "memory": ("bytes", "M, peak training memory in {unit} (logarithmic)"),
}


@dataclass(frozen=True)
class Section:
    """A heading with its text, tables and pictures. `name` is its anchor; `aside` marks what few will read."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    aside: bool = False


@dataclass(frozen=True)
class Page:
    """One comparison's part of a report."""

    comparison: Comparison
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...] = field(default=())

    def pictures(self) -> list[Picture]:
        """All pictures, in order."""
        return [picture for section in self.sections for picture in section.pictures]

    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]


def build(comparison: Comparison, weights: Weights, reference: str) -> Page:
    """Everything a report shows of a comparison."""
    tests = user_tests(comparison, reference)
    drafts = [
        overview(comparison, weights),
        weighing(comparison, weights, reference, tests),
        caches(comparison),
        accuracy(comparison, reference, tests),
        costs(comparison, reference),
        Section("cells", "Every cell", tables=(cells_table(comparison),), aside=True),
        Section("settings", "Settings", tables=(settings_table(comparison),), aside=True),
    ]
    sections = [with_names(draft, comparison.name) for draft in drafts if draft.tables or draft.pictures]
    lines = findings(comparison, weights)
    return Page(comparison, tuple(lines), tuple(warnings(comparison)), tuple(sections))


def with_names(section: Section, suffix: str) -> Section:
    """The section with its pictures' names told apart from those of other comparisons."""
    if not suffix:
        return section
    return replace(section, pictures=tuple(replace(p, name=f"{p.name}-{suffix}") for p in section.pictures))


def given(*things: T | None) -> tuple[T, ...]:
    """Those that there are."""
    return tuple(thing for thing in things if thing is not None)


def overview(comparison: Comparison, weights: Weights) -> Section:
    """The answer at a glance: the main table, failures, TPME's parts, accuracy against TPME."""
    scored = tpme(comparison.ranked, weights)
    pictures = ()
    if len(scored):
        axis = "TPME (no unit, 0 to 1, lower is better)"
        front = plot_accuracy.against_cost(comparison, scored["tpme"], axis, "accuracy-tpme", log=False)
        pictures = given(plot_costs.tpme_parts(scored, weights), front)
    tables = given(main_table(comparison, weights), failures_table(comparison), headline.headline_table(comparison))
    return Section("overview", "Accuracy, costs and TPME", tables=tables, pictures=pictures)


def weighing(comparison: Comparison, weights: Weights, reference: str, tests: pd.DataFrame) -> Section:
    """How TPME depends on its weights and on the compared methods."""
    ranked = comparison.ranked
    name, title = "weights", "How much TPME depends on its weights"
    if len(ranked) < 2:
        return Section(name, title)
    maps, names = [("all methods", sensitivity.regions(ranked))], comparison.drawn
    contenders = significance.not_worse(comparison, tests)
    if 0 < len(contenders) < len(ranked):
        maps.append((f"HR@10 not significantly below {reference}'s", sensitivity.regions(ranked, contenders)))
    reversals = sensitivity.reversals_table(comparison, weights)
    text = () if reversals else ("Leaving out any one method changes the order by TPME of no two others.",)
    return Section(
        name,
        title,
        text,
        given(sensitivity.weights_table(comparison, weights, reference), reversals),
        (plot_sensitivity.ternary(maps, names), plot_sensitivity.edges(ranked, names)),
    )


def caches(comparison: Comparison) -> Section:
    """What caching saves."""
    tables = given(caching.cache_table(comparison), caching.break_even_table(comparison))
    return Section("caching", "What caching saves", tables=tables, pictures=given(caching.caching_plot(comparison)))


def accuracy(comparison: Comparison, reference: str, tests: pd.DataFrame) -> Section:
    """Tests, kinds of target, learning curves, and accuracy against each cost."""
    text = [f"Learning rates: {tuning(comparison)}."]
    tested = significance.tests_table(tests, reference)
    if tested is None:
        text.append(f"No paired tests: ranks of {reference} and of another method are needed.")
    pictures = [plot_accuracy.learning_curves(comparison)]
    for cost in COSTS:
        kind, axis = AXES[cost]
        values = comparison.methods[cost].dropna().astype(float)
        scale = unit(kind, values)  # type: ignore[arg-type]
        label = axis.format(unit=scale.name or "numbers")
        pictures.append(plot_accuracy.against_cost(comparison, values / scale.scale, label, f"accuracy-{cost}"))
    tables = given(tested, targets_table(comparison))
    found = given(*pictures)
    return Section("accuracy", "Accuracy", tuple(text) if tables or found else (), tables, found)


def costs(comparison: Comparison, reference: str) -> Section:
    """What the costs are made of."""
    builders = (
        partial(anatomy.savings_table, reference=reference),
        partial(significance.ratios_table, reference=reference),
        anatomy.time_table,
        anatomy.memory_table,
        anatomy.parameters_table,
        anatomy.operations_table,
    )
    pictures = (plot_costs.epoch_time, plot_costs.memory_kinds, plot_costs.memory_phases)
    return Section(
        "costs",
        "Where time, memory and parameters go",
        tables=given(*(build_table(comparison) for build_table in builders)),
        pictures=given(*(picture(comparison) for picture in pictures)),
    )


def findings(comparison: Comparison, weights: Weights) -> list[str]:
    """The answer in a sentence or two, or why there is none."""
    scored = tpme(comparison.ranked, weights)["tpme"].sort_values()
    accuracies = comparison.ranked["HR@10"].dropna().sort_values(ascending=False)
    if scored.empty:
        trained = (comparison.methods["family"] != "reference").any()
        reason = "No method has been trained to its end" if trained else "Only reference rows were run"
        return [f"{reason}, so there is nothing to rank."]
    if len(scored) == 1:
        return [f"Only {scored.index[0]} has all three costs: alone, its TPME is 0 and says nothing."]
    line = f"Lowest TPME: {scored.index[0]} ({show(scored.iloc[0], 'score')})"
    if len(accuracies):
        line += f"; highest HR@10: {accuracies.index[0]} ({show(accuracies.iloc[0], 'metric')})"
    first, last = comparison.ranked.loc[scored.index[0]], comparison.ranked.loc[scored.index[-1]]
    return [
        f"{line}.",
        f"{scored.index[0]} takes {quantity(first['time'], 'seconds')} an epoch, {quantity(first['memory'], 'bytes')} "
        f"and {quantity(first['parameters'], 'count')} trainable parameters; {scored.index[-1]}, the last, "
        f"{quantity(last['time'], 'seconds')}, {quantity(last['memory'], 'bytes')} and "
        f"{quantity(last['parameters'], 'count')}.",
    ]
