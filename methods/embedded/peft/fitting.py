"""Settings that must fit the widths of what is adapted: peft's default where it fits, else the next smaller that does.

An option of one of these kinds is `auto` unless it is given, and one that is given is left to peft to refuse.
"""

import math
from collections.abc import Callable, Sequence

Widths = Sequence[tuple[int, int]]
"""Of each map that is adapted, the width that it reads and the one that it gives."""
Fit = Callable[[int, Widths], int]
"""From peft's default and the widths to what fits them."""


def divides(default: int, widths: Widths) -> int:
    """The largest divisor of all widths up to the default."""
    common = math.gcd(*(width for pair in widths for width in pair))
    return max(size for size in range(1, min(default, common) + 1) if common % size == 0)


def no_wider(default: int, widths: Widths) -> int:
    """At most the smallest width."""
    return min(default, *(width for pair in widths for width in pair))


def no_more_than_entries(default: int, widths: Widths) -> int:
    """At most the entries of the smallest matrix."""
    return min(default, *(reads * gives for reads, gives in widths))


def no_more_than_low_rank(default: int, widths: Widths) -> int:
    """A rank at which factors of the smallest matrix have at most as many entries as it."""
    return min(default, *(reads * gives // (reads + gives) for reads, gives in widths))
