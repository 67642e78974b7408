"""`bench data info`: what a dataset holds, in numbers."""

import numpy as np

from ...errors import BenchError
from ..raw import RawData
from ..splits import check_parts, split_as_given


def summary(raw: RawData) -> dict[str, str]:
    """Counts, lengths, sparsity, what is missing, and what the split makes of it, as they are shown."""
    given = raw.interactions
    of_users, of_items = (
        counts[counts > 0] for counts in (np.bincount(given.users), np.bincount(given.items, minlength=len(raw.ids)))
    )
    found = {
        "name": raw.name,
        "interactions": f"{len(given.users):,}",
        "users": f"{len(of_users):,}",
        "items": f"{len(of_items):,}" + _beside(len(raw.ids) - len(of_items), "without interactions"),
        "interactions of a user": _spread(of_users),
        "interactions of an item": _spread(of_items),
        "sparsity": f"{1 - len(given.users) / max(len(of_users) * len(of_items), 1):.4%}",
        "pairs of user and item that occur again": f"{_repeats(given.users, given.items, len(raw.ids)):,}",
        "times": "none: rows are in order" if given.times is None else _range(given.times),
        "ratings": "none" if given.ratings is None else _range(given.ratings[~np.isnan(given.ratings)]),
        "texts": "none" if raw.texts is None else f"{sum(not str(text).strip() for text in raw.texts):,} missing",
        "pictures": "none" if raw.images is None else f"{len(raw.missing_images):,} missing",
    }
    if raw.links is not None:
        found["links to pictures"] = f"{sum(map(bool, raw.links)):,}"
    return found | _of_split(raw) | {name: str(value) for name, value in raw.facts.items() if name != "split"}


def _of_split(raw: RawData) -> dict[str, str]:
    """Targets under the split that a study would use."""
    name = raw.split or ("leave-one-out" if raw.interactions.parts is None else "ready")
    try:
        if name == "ready" and not raw.split:
            check_parts(raw)
        prepared = split_as_given(raw.interactions, len(raw.ids))
    except BenchError as error:
        return {"split": f"{name}: {error}"}
    users = [len(each) for each in (prepared.train, prepared.valid, prepared.test)]
    found = {"split": f"{name}: {users[0]:,} users in training, {users[1]:,} in validation, {users[2]:,} in test"}
    for kind in ("cold", "repeat"):
        count, share = (prepared.facts[f"{kind} test target{end}"] for end in ("s", " share"))
        found[f"{kind} test targets"] = f"{count:,} ({share:.1%})"
    return found


def _spread(counts: np.ndarray) -> str:
    if not len(counts):
        return "none"
    middle = float(np.median(counts))
    return f"{counts.min():,} to {counts.max():,}, median {middle:g}, mean {counts.mean():.2f}"


def _range(values: np.ndarray) -> str:
    return f"{values.min():g} to {values.max():g}" if values.dtype.kind == "f" and len(values) else _whole(values)


def _whole(values: np.ndarray) -> str:
    return f"{values.min()} to {values.max()}" if len(values) else "none"


def _repeats(users: np.ndarray, items: np.ndarray, n_items: int) -> int:
    pairs = np.sort(users.astype(np.int64) * n_items + items)
    return int(np.count_nonzero(pairs[1:] == pairs[:-1]))


def _beside(count: int, what: str) -> str:
    return f", and {count:,} {what}" if count else ""
