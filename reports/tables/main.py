"""The first table of a report: accuracy, costs and scores of every row, and what the scores are."""

import numpy as np
import pandas as pd

from ..analysis.comparison import Comparison
from ..analysis.convergence import BOUND, bounds
from ..analysis.difference import verdict
from ..analysis.pscp import Penalties, pscp
from ..analysis.tpme import COSTS, LEAST_RANKED, CostWeights, cost_ratio, rankable, tpme
from ..quantities import NONE, quantity
from .table import (
    Column,
    Table,
    bound_notes,
    choices_note,
    disturbance_notes,
    present,
    spread_note,
    status_with_disturbance,
)

SCORES = (
    Column("tpme", "TPME", "score", "less"),
    Column("time ratio", "T, of reference", "ratio", "less"),
    Column("parameters ratio", "P, of reference", "ratio", "less"),
    Column("memory ratio", "M, of reference", "ratio", "less"),
    Column("ratio", "cost ratio", "ratio", "less"),
    Column("pscp", "PSCP", "metric", "more"),
)
"""The main table's, of which those are shown that there are."""


def main_table(
    comparison: Comparison,
    weights: CostWeights,
    reference: str = "fft",
    penalties: Penalties | None = None,
    tests: pd.DataFrame | None = None,
) -> Table:
    """Accuracy, T, P, M and the scores of every method, best TPME first; failed ones and reference rows below.

    Given `tests` of `paired.user_tests`, it begins with whether a row is told apart from the reference.
    Below LEAST_RANKED rows there is no TPME, and the ratios of T, P and M to the reference's stand in its place.
    """
    reference, ranked = comparison.row(reference), comparison.ranked
    ratio = cost_ratio(ranked, weights, reference)
    score = tpme(ranked, weights)["tpme"] if rankable(ranked) else pd.Series(np.nan, ranked.index)
    methods = comparison.methods.assign(tpme=score, ratio=ratio)
    methods["pscp"] = scored_with_accuracy(comparison, penalties or Penalties(), reference)
    if not rankable(ranked) and reference in ranked.index:
        methods = methods.join((ranked[list(COSTS)] / ranked.loc[reference, list(COSTS)]).add_suffix(" ratio"))
    order = methods["family"].eq("reference") * 2.0 + ~methods.index.isin(ranked.index)
    methods = methods.assign(order=order, status=status_with_disturbance(methods)).sort_values(
        ["order", "tpme" if rankable(ranked) else "ratio"], kind="stable"
    )
    bounded = bounds(comparison)
    signs = [BOUND if label in bounded else "" for label in methods.index]
    methods = methods.assign(**{f"{metric.name} sign": signs for metric in comparison.headline})
    if tests is not None and len(tests):
        told = {str(label): verdict(row, comparison.primary) for label, row in tests.iterrows()}
        methods["verdict"] = [told.get(str(label)) for label in methods.index]
    columns = (
        *present(methods, [Column("verdict", f"against {reference}", stays=True)]),
        Column("family", "family"),
        *(Column(metric.name, metric.name, "metric", metric.better) for metric in comparison.headline),
        Column("time", "T", "seconds", "less"),
        Column("time_with_cache", "T incl. cache", "seconds", "less"),
        Column("parameters", "P", "count", "less"),
        Column("memory", "M", "bytes", "less"),
        *present(methods, SCORES),
        Column("epochs", "epochs", "integer"),
        Column("status", "status"),
    )
    why = "failed, trains nothing or ran beside others" if methods["beside"].gt(0).any() else "failed or trains nothing"
    notes = [
        f"T: mean seconds of a training epoch, without the first of each process. P: trainable parameters. "
        f"M: {comparison.meter}, training phase.",
        *score_notes(comparison, weights, reference, penalties or Penalties(), methods),
        "T incl. cache: T with the seconds of building the feature cache spread over the epochs run.",
        f"{NONE}: not measured, because the row {why}. Reference rows take no part in TPME.",
    ]
    if "verdict" in methods:
        notes.append(f"Against {reference}: whether {comparison.primary.name} is told apart, tested over users.")
    notes += bound_notes(comparison)
    if methods["single_epoch"].any():
        single = ", ".join(map(str, methods.index[methods["single_epoch"]]))
        notes.append(f"One epoch only, so T is that of the first: {single}.")
    notes += disturbance_notes(methods)
    notes += choices_note(comparison)
    notes.append(spread_note(methods["seeds"]))
    return Table("main", "Accuracy, costs and TPME", methods, columns, notes=tuple(notes), contest=ranked.index)


def scored_with_accuracy(comparison: Comparison, penalties: Penalties, reference: str) -> pd.Series:
    """PSCP of every row; of random towers, whose accuracies say nothing, there is none."""
    if comparison.random_towers:
        return pd.Series(np.nan, comparison.methods.index)
    return pscp(comparison.methods, comparison.primary, penalties, reference)


def score_notes(
    comparison: Comparison, weights: CostWeights, reference: str, penalties: Penalties, methods: pd.DataFrame
) -> list[str]:
    """What the scores of the main table are, and why there is none where there is none."""
    ranked, notes = len(comparison.ranked), []
    if rankable(comparison.ranked):
        notes.append(f"TPME: weights {weights} for T, P and M, lower is better, over {ranked} rows.")
    elif ranked:
        notes.append(
            "No TPME: it scales each cost between the cheapest and the dearest of the ranked rows, which says nothing "
            f"of fewer than {LEAST_RANKED}; here there are {ranked}."
        )
    if methods["ratio"].notna().any():
        notes.append(
            f"Cost ratio: geometric mean of T, P and M over those of {reference}, with weights {weights}; lower is "
            "better, and what else is compared changes nothing."
        )
    if methods["pscp"].notna().any():
        of_reference = "" if penalties.constants else f", as {reference} has them"
        parameters, operations, memory = penalties.of(comparison.methods, reference)
        constants = (
            f"{quantity(parameters, 'count')}, {quantity(operations, 'operations')} of a forward pass and "
            f"{quantity(memory, 'bytes')}"
        )
        betas = ", ".join(f"{beta:g}" for beta in penalties.betas)
        notes.append(
            f"PSCP (PEFT-Bench): {comparison.primary.name} over the product of (1 + cost / C)^beta of parameters, "
            f"operations and memory, with C = {constants}{of_reference}, and beta = {betas}; higher is better."
        )
    return notes
