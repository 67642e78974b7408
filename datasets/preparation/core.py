"""The k-core of users and items: what remains when those with too few interactions are dropped again and again."""

from dataclasses import dataclass

import numpy as np

from ..splits import stable_order


@dataclass(frozen=True)
class _Side:
    """Users, or items: which interactions each has, how many are left of them, and how many it needs."""

    codes: np.ndarray
    order: np.ndarray
    begins: np.ndarray
    left: np.ndarray
    least: int

    @classmethod
    def of(cls, codes: np.ndarray, least: int) -> "_Side":
        left = np.bincount(codes)
        order = stable_order(codes)
        return cls(codes, order, np.concatenate([[0], np.cumsum(left)]), left, least)

    def entries(self, chosen: np.ndarray) -> np.ndarray:
        """All interactions that some of them had to begin with."""
        begins = self.begins[chosen]
        return self.order[ranges(begins, self.begins[chosen + 1] - begins)]

    def lose(self, entries: np.ndarray) -> np.ndarray:
        """Takes interactions away; those that have too few from now on."""
        hit, times = np.unique(self.codes[entries], return_counts=True)
        before = self.left[hit]
        self.left[hit] -= times
        return hit[(before >= self.least) & (self.left[hit] < self.least)]


def ranges(begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of each range, one range after another."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(begins - before, lengths)


def core(users: np.ndarray, items: np.ndarray, least_of_user: int, least_of_item: int) -> np.ndarray:
    """Which interactions fell, int8 `[interactions]`: 0 for those that stay, 1 with their user, 2 with their item.

    Of what stays each user and each item has at least so many. What falls is looked at once, whatever falls with it,
    so that the time is that of a sort.
    """
    fell = np.zeros(len(users), dtype=np.int8)
    sides = (_Side.of(users, least_of_user), _Side.of(items, least_of_item))
    waiting = [np.flatnonzero((side.left > 0) & (side.left < side.least)) for side in sides]
    turn = 0
    while len(waiting[0]) or len(waiting[1]):
        lost = sides[turn].entries(waiting[turn])
        lost = lost[fell[lost] == 0]
        fell[lost] = turn + 1
        waiting[turn] = waiting[turn][:0]
        turn = 1 - turn
        waiting[turn] = np.union1d(waiting[turn], sides[turn].lose(lost))
    return fell
