"""How far TPME's answer depends on its weights and on which methods are compared.

TPME is linear in its weights, so on the triangle of all weights (time, parameters, memory, summing to 1) each method is
the best on one convex piece. The pieces are cut exactly, not sampled.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ..tables.table import Column, Table
from .comparison import Comparison
from .tpme import COSTS, PRESETS, CostWeights, cost_ratio, normalise, tpme
from .uncertainty import tpme_intervals

EDGES = (("time", "parameters"), ("parameters", "memory"), ("memory", "time"))
"""The triangle's edges, once round."""
CORNERS = np.eye(3)


@dataclass(frozen=True)
class Region:
    """Where methods win: the corners `[n, 3]` of a polygon in weights, and its share of the whole triangle.

    `labels`: one method, or several that are equal in every cost.
    """

    labels: tuple[str, ...]
    corners: np.ndarray
    share: float

    @property
    def title(self) -> str:
        """The winners in words."""
        return " = ".join(self.labels)


def clip(polygon: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """The part of a convex polygon `[n, 3]` where `corner · normal ≤ 0` (Sutherland and Hodgman, 1974)."""
    kept = []
    sides = polygon @ normal
    for number in range(len(polygon)):
        here, there = polygon[number - 1], polygon[number]
        before, after = sides[number - 1], sides[number]
        if before * after < 0:
            kept.append(here + (there - here) * before / (before - after))
        if after <= 0:
            kept.append(there)
    return np.array(kept).reshape(-1, 3)


def share(polygon: np.ndarray) -> float:
    """A polygon's area over that of the whole triangle, by the shoelace formula in the first two weights."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def regions(costs: pd.DataFrame, contenders: pd.Index | None = None) -> list[Region]:
    """Where each method has the lowest TPME, the largest share first; methods that win nowhere are left out.

    Normalised over all of `costs`; only `contenders` may win. Methods equal in every cost win together.
    """
    scaled = pd.DataFrame(normalise(costs[list(COSTS)].to_numpy(float)), index=costs.index)
    rivals = scaled if contenders is None else scaled[scaled.index.isin(contenders)]
    together: dict[tuple[float, ...], list[str]] = {}
    for label, values in zip(rivals.index, rivals.to_numpy(), strict=True):
        together.setdefault(tuple(values.tolist()), []).append(str(label))
    found = []
    for own, labels in together.items():
        polygon = CORNERS
        for other in together:
            if len(polygon) and other != own:
                polygon = clip(polygon, np.array(own) - np.array(other))
        if (area := share(polygon)) > 1e-12:
            found.append(Region(tuple(labels), polygon, area))
    return sorted(found, key=lambda region: -region.share)


def ranks_along(costs: pd.DataFrame, edge: tuple[str, str], points: int = 101) -> pd.DataFrame:
    """Rank of each method (1 is best) along an edge of the triangle: index is the second cost's weight, 0 to 1."""
    scaled = pd.DataFrame(normalise(costs[list(COSTS)].to_numpy(float)), index=costs.index, columns=list(COSTS))
    share_of_second = np.linspace(0, 1, points)
    first, second = (scaled[name].to_numpy()[None] for name in edge)
    scores = (1 - share_of_second)[:, None] * first + share_of_second[:, None] * second
    return pd.DataFrame(scores.round(12), index=share_of_second, columns=costs.index).rank(axis=1, method="min")


def reversals(costs: pd.DataFrame, weights: CostWeights) -> dict[str, list[tuple[str, str]]]:
    """Method left out → the pairs (before, after) whose order by TPME turns round without it."""
    whole = tpme(costs, weights)["tpme"]
    found = {}
    for left_out in costs.index:
        rest = tpme(costs.drop(index=left_out), weights)["tpme"]
        pairs = []
        for one, other in combinations(rest.sort_values().index, 2):
            if whole[one] > whole[other] + 1e-12 and rest[one] < rest[other] - 1e-12:
                pairs.append((str(other), str(one)))
        if pairs:
            found[str(left_out)] = pairs
    return found


def weights_table(comparison: Comparison, weights: CostWeights, reference: str) -> Table | None:
    """TPME with its interval and group, the set-independent ratio, ranks under every preset, share of wins."""
    ranked = comparison.ranked
    if len(ranked) < 2:
        return None
    frame = tpme(ranked, weights)[["tpme"]].join(tpme_intervals(comparison, weights))
    frame["ratio"] = cost_ratio(ranked, weights, reference)
    columns = [Column("tpme", "TPME", "score", "less")]
    if frame["low"].notna().any():
        columns += [Column("low", "from", "score"), Column("high", "to", "score"), Column("group", "group")]
    if frame["ratio"].notna().any():
        columns.append(Column("ratio", f"cost ratio to {reference}", "ratio", "less"))
    for name, choice in PRESETS.items():
        frame[f"rank {name}"] = tpme(ranked, choice)["tpme"].round(12).rank(method="min")
        columns.append(Column(f"rank {name}", f"rank, {name}", "integer"))
    wins = {label: region.share for region in regions(ranked) for label in region.labels}
    frame["wins"] = pd.Series(wins, dtype=float).reindex(frame.index).fillna(0.0)
    columns.append(Column("wins", "wins", "share"))
    presets = "; ".join(f"{name} {choice}" for name, choice in PRESETS.items())
    notes = (
        "From, to: 95 % bootstrap interval over seeds, repeats and epochs. Methods that share a letter of group cannot "
        "be told apart by TPME.",
        "The cost ratio is the geometric mean, weighted like TPME, of a method's T, P and M over the reference's. It "
        "compares each method with the reference only, so unlike TPME it stays the same whatever else is compared.",
        f"Weights (time, parameters, memory): {presets}. Wins: share of all possible weights under which it is best.",
    )
    if len(columns) and columns[1].key != "low":
        notes = ("One seed and one epoch: no interval can be given.", *notes[1:])
    return Table("weights", "TPME under other weights", frame.sort_values("tpme"), tuple(columns), notes=notes)


def reversals_table(comparison: Comparison, weights: CostWeights) -> Table | None:
    """Which orders turn round when a method is left out; None when none does."""
    found = reversals(comparison.ranked, weights)
    if not found:
        return None
    rows = {
        label: "; ".join(f"{before} before {after} becomes {after} before {before}" for before, after in pairs)
        for label, pairs in found.items()
    }
    frame = pd.DataFrame({"change": rows})
    notes = ("TPME is normalised over the compared methods: without the one on the left the order of others changes.",)
    column = Column("change", "order by TPME")
    return Table("reversals", "Rank reversals", frame, (column,), index="left out", notes=notes)
