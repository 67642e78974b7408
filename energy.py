"""What energy counters say, as records and entries of the feature cache keep it."""

from typing import Annotated

from pydantic import Field

from .cell import Schema
from .values import Count, Number, Share

CARD, PACKAGE = "card", "package"
"""The counter of a GPU, and how those of a processor's packages begin: `package-0`, `package-1`, …"""

CounterName = Annotated[str, Field(pattern=rf"^({CARD}|{PACKAGE}[a-z0-9-]{{0,40}})$")]


class Energy(Schema):
    """Joules by counter. Each counts all that its card or package did, work of others and idling included.

    `foreign`: the share of the machine's processor time that went to other processes, None where no package was read.
    `others`: other processes on the card.
    """

    joules: dict[CounterName, Number] = {}
    foreign: Share | None = None
    others: Count = 0

    def plus(self, other: "Energy") -> "Energy":
        """Both together, as far as a counter was read both times; disturbed as the one that was disturbed more."""
        known = {name: value + other.joules[name] for name, value in self.joules.items() if name in other.joules}
        foreign = [share for share in (self.foreign, other.foreign) if share is not None]
        return Energy(joules=known, foreign=max(foreign, default=None), others=max(self.others, other.others))

    def scaled(self, factor: float) -> "Energy":
        """So many times as much."""
        return self.model_copy(update={"joules": {name: value * factor for name, value in self.joules.items()}})
