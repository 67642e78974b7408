"""Which items show no picture, because they have none or theirs is bad, and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...cell import MissingImages
from ...errors import BenchError
from ..catalogue import CheckedSource
from ..raw import RawData

NAMED = 5
"""How many bad pictures a report names."""
NAMED_IN_ERROR = 10


@dataclass(frozen=True)
class Absent:
    """`rows`: of each item of a source whether it shows no picture, bool `[n_rows]`. `bad`: of those, by row, the name
    of a picture that is there but cannot be shown, and why.
    """

    rows: np.ndarray
    bad: Mapping[int, str]

    @classmethod
    def of(cls, raw: RawData) -> "Absent":
        """Of what a source gave. Only pictures of items that somebody took are tried."""
        rows = np.zeros(len(raw.ids), dtype=bool)
        rows[np.asarray(raw.missing_images, dtype=np.int64)] = True
        bad: dict[int, str] = {}
        if isinstance(raw.images, CheckedSource):
            taken = np.unique(raw.interactions.items) + 1
            bad = {item - 1: why for item, why in raw.images.bad(taken.tolist()).items()}
            rows[list(bad)] = True
        return cls(rows, bad)

    def facts(self, raw: RawData, order: np.ndarray, policy: MissingImages) -> dict[str, str | int | float]:
        """Counts and first names among the items kept (`order`, their rows); BenchError where the policy is `error`."""
        kept = order[self.rows[order]].tolist()
        if policy == "error" and kept:
            raise BenchError(self._error(raw, kept))
        found: dict[str, str | int | float] = {"missing images": len(kept)}
        if policy == "drop":
            found["items dropped without image"] = int(np.count_nonzero(self.rows))
        bad = sorted(self.bad) if policy == "drop" else [row for row in kept if row in self.bad]
        if bad:
            found["bad pictures"] = len(bad)
            found["first bad pictures"] = _first([self.bad[row] for row in bad], NAMED)
        return found

    def _error(self, raw: RawData, kept: list[int]) -> str:
        shown = [f"'{raw.ids[row]}'" + (f": {self.bad[row]}" if row in self.bad else "") for row in kept]
        number = f"item {shown[0]} has" if len(kept) == 1 else f"{len(kept)} items have"
        names = "" if len(kept) == 1 else f" ({_first(shown, NAMED_IN_ERROR)})"
        return (
            f"{number} no picture that can be shown{names}: add or mend them, or use missing_images = neutral or drop"
        )


def _first(names: list[str], most: int) -> str:
    """Some names, and how many more there are."""
    more = f"; and {len(names) - most:,} more" if len(names) > most else ""
    return "; ".join(name[:200] for name in names[:most]) + more
