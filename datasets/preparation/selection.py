"""From a source's interactions to those that a prepared folder holds."""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import BenchError
from ..raw import Interactions, RawData
from ..splits import check_parts
from .filters import filtered
from .ledger import Ledger
from .options import Preparation
from .parting import by_global_time, by_last_two, in_windows


@dataclass(frozen=True)
class Selection:
    """What is kept: interactions by user and time, their users and items numbered anew from 0.

    User n is the source's user `users[n]`, item n its row `items[n]`; `windows` are the numbers of a user's windows.
    `parts` are None where the published split is made when the data are read. `options` say what was chosen, and what
    stood in for what wasn't.
    """

    options: Preparation

    interactions: Interactions
    users: np.ndarray
    windows: np.ndarray | None
    items: np.ndarray
    ledger: Ledger


def select(raw: RawData, options: Preparation) -> Selection:
    """Filters and splits. BenchError when nothing is left, or the split that was asked for cannot be made."""
    given = raw.interactions
    options = options.resolved(has_split=given.parts is not None)
    if options.split == "ready":
        check_parts(raw)
    n_users = len(raw.user_ids) if raw.user_ids is not None else int(np.count_nonzero(np.bincount(given.users)))
    ledger = Ledger.opened(given, n_users, len(raw.ids))
    kept = filtered(given, options, ledger)
    if not len(kept.users):
        raise BenchError(f"{raw.name}: no interaction is left of {len(given.users):,}{_reasons(ledger)}; ask for less")
    if options.split == "global-time":
        kept = by_global_time(kept, ledger)
    elif options.split == "leave-one-out" and options.window:
        kept = by_last_two(kept)
    owner, windows = np.arange(int(kept.users.max()) + 1), None
    if options.window:
        kept, owner, windows = in_windows(kept, options.window, options.stride or options.window, ledger)
    users, kept_users = _renumbered(kept.users)
    items, kept_items = _renumbered(kept.items)
    windows = None if windows is None else windows[users]
    return Selection(options, replace(kept, users=kept_users, items=kept_items), owner[users], windows, items, ledger)


def _renumbered(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The codes that occur, in order, and each one's place among them."""
    there = np.bincount(codes) > 0
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int32) - 1)[codes]


def _reasons(ledger: Ledger) -> str:
    counts = [f"{reason}: {count:,}" for reason, count in ledger.dropped["interactions"].items()]
    return f" (dropped: {'; '.join(counts)})" if counts else ""
