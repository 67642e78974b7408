"""Bytes, seconds and counts as people read them. Numbers are stored raw; this is the only place that rounds them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

NONE = "–"
"""What stands where there is nothing to show; every page explains it."""

Kind = Literal[
    "text",
    "score",
    "metric",
    "seconds",
    "duration",
    "moment",
    "energy",
    "bytes",
    "count",
    "operations",
    "ratio",
    "share",
    "p",
    "integer",
]

UNITS: dict[str, list[tuple[str, float]]] = {
    "seconds": [("s", 1.0)],
    "duration": [("s", 1.0), ("min", 60.0), ("h", 3600.0)],
    "moment": [("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)],
    "energy": [("mWh", 3.6), ("Wh", 3600.0), ("kWh", 3.6e6)],
    "bytes": [("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30)],
    "count": [("", 1.0), ("K", 1e3), ("M", 1e6)],
    "operations": [("MFLOP", 1e6), ("GFLOP", 1e9), ("TFLOP", 1e12)],
}


@dataclass(frozen=True)
class Unit:
    """The unit of a whole column, so that its numbers can be compared by eye."""

    name: str = ""
    scale: float = 1.0


def missing(value: object) -> bool:
    """Whether there is nothing to show: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def unit(kind: Kind, values: Iterable[float | None], lowest: float = 0.1) -> Unit:
    """The largest unit in which the smallest positive value is still at least `lowest`, else the smallest unit."""
    known = UNITS.get(kind)
    if known is None:
        return Unit("%", 0.01) if kind == "share" else Unit()
    least = min((float(v) for v in values if v is not None and not missing(v) and v > 0), default=0.0)
    fitting = [Unit(name, scale) for name, scale in known if least >= lowest * scale]
    return fitting[-1] if fitting else Unit(*known[0])


def significant(value: float, digits: int = 3) -> int:
    """How many decimals show `value` with that many significant digits."""
    if value == 0 or not math.isfinite(value):
        return 0
    return max(digits - 1 - math.floor(math.log10(abs(value))), 0)


def number(value: float, decimals: int) -> str:
    """Fixed decimals, thousands separated; no sign on a rounded zero."""
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def show(value: object, kind: Kind, scale: Unit | None = None, std: float | None = None) -> str:
    """A value as text, in the column's unit, with ± its std when there is one above 0."""
    if missing(value):
        return NONE
    if kind == "text":
        return str(value)
    amount = float(value)  # type: ignore[arg-type]
    if math.isinf(amount):
        return "never"
    scale = scale or unit(kind, [amount])
    amount /= scale.scale
    decimals = {"score": 3, "metric": 4, "ratio": 2, "share": 1, "integer": 0}.get(kind, significant(amount))
    if kind == "p":
        return "< 0.001" if amount < 0.001 else number(amount, 3)
    if not std or missing(std):
        return number(amount, decimals)
    spread = std / scale.scale
    decimals = max(decimals, min(significant(spread, 1), decimals + 2))
    return f"{number(amount, decimals)} ± {number(spread, decimals)}"


def quantity(value: float | None, kind: Kind) -> str:
    """A value with its own unit, for running text: `1.52 M`, `310 MiB`."""
    scale = unit(kind, [value], lowest=1)
    return f"{show(value, kind, scale)} {scale.name}".strip() if not missing(value) else NONE
