"""Planned times beside measured ones, as they were found: the error that every planned time carries."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from ...cell import Schema
from ...files import read_json
from ...values import Count, Moment, PositiveSeconds, RecordedName, Share
from .calibration import Machine

FILE = Path(__file__).with_name("comparisons.json")
SELF_MEASURED = 0.9
"""From this share on of operators that were measured themselves, a time is compared with such times alone."""
_OF_A_HUNDRED = 95


class Comparison(Schema):
    """An epoch's seconds, planned and measured. `share`: of the planned seconds that of operators measured themselves;
    `load`: runnable threads beside it; `batch`: users a batch.
    """

    method: RecordedName
    dataset: RecordedName
    backbones: RecordedName
    batch: Count
    planned: PositiveSeconds
    measured: PositiveSeconds
    share: Share
    machine: Machine
    load: float
    when: Moment

    @property
    def error(self) -> float:
        """By how much the larger of the two exceeds the smaller."""
        return max(self.planned / self.measured, self.measured / self.planned) - 1


def stated_error(share: float) -> float:
    """The error of a planned time of which such a share is of operators measured themselves, as the suite ships it."""
    return error_of(shipped(), share)


def error_of(comparisons: Sequence[Comparison], share: float) -> float:
    """Within which 95 of 100 comparisons were, of times planned in the same way where there are any."""
    alike = [one for one in comparisons if (one.share >= SELF_MEASURED) == (share >= SELF_MEASURED)]
    errors = sorted(one.error for one in alike or comparisons)
    return errors[math.ceil(len(errors) * _OF_A_HUNDRED / 100) - 1]


@cache
def shipped() -> list[Comparison]:
    """Those that are committed."""
    return TypeAdapter(list[Comparison]).validate_python(read_json(FILE))
