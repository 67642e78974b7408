"""The days that times are of, where their unit is known."""

import numpy as np

from ...errors import BenchError
from ...values import TimeUnit

_PER_SECOND: dict[TimeUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FAR = 700_000  # days from 1970 that still make a date of four digits


def span(times: np.ndarray, unit: TimeUnit | None, place: str, key: str = "") -> dict[str, str | int | float]:
    """The first and the last day, when the unit is known; a unit that puts them beyond 2200 is wrong.

    `place` is what the times stand in, `key` that which says the unit, if it can be corrected.
    """
    if unit is None or len(times) == 0:
        return {}
    days = [int(value) // (_PER_SECOND[unit] * 86400) for value in (times.min(), times.max())]
    first, last = (str(np.datetime64(min(max(day, -_FAR), _FAR), "D")) for day in days)
    remedy = f"correct {key} ('{unit}')" if key else f"such files have times in '{unit}'; mend this one"
    if days[1] > (np.datetime64("2200-01-01") - np.datetime64("1970-01-01")).astype(int):
        raise BenchError(f"{place}: the last interaction would be of {last}: {remedy}")
    if days[0] < -_FAR:
        raise BenchError(f"{place}: the first interaction would be of before {first}: {remedy}")
    return {"first interaction": first, "last interaction": last}
