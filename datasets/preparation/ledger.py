"""Counts of what is read, dropped by reason, and kept: of interactions, users and items alike."""

from dataclasses import dataclass, field

import numpy as np

from ..raw import Interactions

KINDS = ("interactions", "users", "items")


@dataclass(frozen=True)
class Ledger:
    """`read` and `dropped` by kind; what is kept is what `read` has and `dropped` hasn't, and what windows repeat."""

    read: dict[str, int]
    dropped: dict[str, dict[str, int]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    repeated: dict[str, int] = field(default_factory=dict)

    @classmethod
    def opened(cls, interactions: Interactions, n_users: int, n_items: int) -> "Ledger":
        """Of a whole source; users and items without any interaction are dropped at once."""
        ledger = cls({"interactions": len(interactions.users), "users": n_users, "items": n_items})
        there = _counts(interactions)
        for kind in ("users", "items"):
            ledger._add(kind, "without interactions", ledger.read[kind] - there[kind])
        return ledger

    def keep(self, reason: str, interactions: Interactions, kept: np.ndarray) -> Interactions:
        """The interactions that are kept; the others, and users and items of which none is left, are counted."""
        if kept.all():
            return interactions
        before, left = _counts(interactions), interactions.taken(kept)
        after = _counts(left)
        for kind in KINDS:
            self._add(kind, reason, before[kind] - after[kind])
        return left

    def kept(self) -> dict[str, int]:
        """What is left by kind."""
        return {
            kind: count - sum(self.dropped[kind].values()) + self.repeated.get(kind, 0)
            for kind, count in self.read.items()
        }

    def _add(self, kind: str, reason: str, count: int) -> None:
        if count:
            self.dropped[kind][reason] = self.dropped[kind].get(reason, 0) + count


def _counts(interactions: Interactions) -> dict[str, int]:
    distinct = [int(np.count_nonzero(np.bincount(codes))) for codes in (interactions.users, interactions.items)]
    return dict(zip(KINDS, (len(interactions.users), *distinct), strict=True))
