"""What `bench tune` may try of a method: a range for each setting, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Log:
    """Numbers from `low` to `high`, evenly spread over their logarithms, of two significant digits: they are read."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The number at a share of the way, 0 to 1."""
        return float(f"{self.low * (self.high / self.low) ** share:.1e}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of some values, each as often as the others."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value at a share of the way, 0 to 1."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        return " or ".join(map(str, self.values))


Space = Mapping[str, Log | Choice]
"""By setting, which is an option of the method or a rate (`cell.Rate`)."""

RATES: dict[str, Log | Choice] = {"learning_rate_scale": Log(0.3, 30.0), "head_lr": Log(6e-5, 6e-3)}
"""What is searched of every method that trains: a factor for its own rates, and the head's rate apart from them, from
0.3 to 30 times the 2e-4 at which most methods have it.
"""
