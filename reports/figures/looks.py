"""How a method looks: one colour, marker and dash pattern that its name alone decides, the same in every report.

The hue is the family's, and so is the kind of marker, which tells families apart in grey. Within a family the shade,
the marker and the dashes go by the method's number: its place in OWN for methods of the suite's own, else a checksum of
its name. All colours have a contrast of 3 on white and on a dark page alike.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pandas as pd

INK, SOFT, LINE, PAPER = "#1b1b1b", "#555555", "#d4d7dc", "#ffffff"
"""Text and axes, what is said by the way, grid lines, ground: greys, which a dark page turns round."""
PARTS = ("#686868", "#c3c3c3", "#919191", "#dddddd", "#7b7b7b", "#d0d0d0", "#a9a9a9", "#e6e6e6")
"""Parts of a cost, phases and kinds of memory: no hue, so that none can be taken for a method's."""

COLOURS = {
    "full": (INK, "#8c795a", "#a28f6f", "#786648", "#7c7e5b"),
    "embedded": ("#d15421", "#d07e10", "#bd3838", "#e96e2d", "#a35303"),
    "hybrid": ("#048d5c", "#4fa354", "#01775c", "#04a584", "#317720"),
    "decoupled": ("#036bb8", "#019fc0", "#5c76d6", "#2998e5", "#5d5dbf"),
    "reference": ("#b65aa5", "#bd76d2", "#984a9d", "#d76ead", "#8a4fac"),
}
MARKERS = {
    "full": ("s",),
    "embedded": ("^", "v", ">", "<"),
    "hybrid": ("D", "d"),
    "decoupled": ("o", "h", "p"),
    "reference": ("X", "P"),
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1.2)))

OWN = {
    "full": ("fft",),
    "embedded": (
        "lora", "bitfit", "adapter", "pfeiffer", "parallel", "compacter", "ssf", "vpt-shallow", "vpt-deep", "partial",
        "lora-plus", "dora", "rslora", "pissa", "olora", "mica", "beft", "boft", "c3a", "deft", "delora", "fourierft",
        "frod", "glora", "gralora", "hira", "hra", "ia3", "lily", "ln_tuning", "loha", "lokr", "miss", "oft", "osf",
        "peanut", "psoft", "pvera", "randlora", "road", "shira", "supertuning", "tinylora", "unilora", "vblora", "vera",
        "waveft", "bat", "coft", "adalora",
    ),
    "hybrid": ("hybrid", "hybrid-cached"),
    "decoupled": (
        "iisan", "iisan-cached", "frozen", "frozen-cached", "versa", "versa-cached", "lst", "lst-cached", "frozen-mix",
        "frozen-mix-cached",
    ),
    "reference": ("sasrec-id", "popularity", "random", "content-knn"),
}  # fmt: skip
"""The suite's methods in the order of their looks. Names are added at an end: others keep what they have."""


@dataclass(frozen=True)
class Look:
    """Colour, marker, and matplotlib's pattern of dashes."""

    colour: str
    marker: str
    dashes: Hashable

    def line(self) -> dict[str, Any]:
        """As options of a line."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dashes}


def look(method: str, family: str) -> Look:
    """A method's own look."""
    own = OWN[family]
    return _numbered(own.index(method) if method in own else crc32(method.encode()), family)


def _numbered(number: int, family: str) -> Look:
    """Every number up to 20 at least has another look, and five in a row have five shades."""
    colours, markers = COLOURS[family], MARKERS[family]
    dashes = DASHES[: 3 if len(markers) % 2 == 0 else 4]  # no divisor in common, so that the two don't go in step
    return Look(colours[number % 5], markers[number % len(markers)], dashes[number % len(dashes)])


def looks(methods: pd.DataFrame) -> dict[str, Look]:
    """The looks of a comparison's rows: a method's colour is always its own.

    Of rows that would look the same (one method with several options, or a rare clash of names from outside), the later
    take other markers and dashes. `methods` has `method` and `family`, a row a label.
    """
    first = ~methods["method"].duplicated()
    found: dict[str, Look] = {}
    for label, row in pd.concat([methods[first], methods[~first]]).iterrows():
        own, family = look(row["method"], row["family"]), row["family"]
        free = (Look(own.colour, marker, dashes) for marker, dashes in _rings(own, family))
        found[str(label)] = next((one for one in free if one not in found.values()), own)
    return {str(label): found[str(label)] for label in methods.index}


def _rings(own: Look, family: str) -> list[tuple[str, Hashable]]:
    """A look's marker and dashes, then every other pair of its family's, then of all families'."""
    every = [marker for markers in MARKERS.values() for marker in markers]
    pairs = [(marker, dashes) for markers in (MARKERS[family], every) for dashes in DASHES for marker in markers]
    return [(own.marker, own.dashes), *pairs]
