"""What `bench data prepare` may be told: which interactions are kept, and how they are split."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import BenchError, first_fault

SplitName = Literal["leave-one-out", "global-time", "ready"]
Duplicates = Literal["all", "first", "last"]
PUBLISHED_LEAST = 5
"""Interactions of a user whom the published leave-one-out takes."""
_MOST = 10**9


class Preparation(BaseModel):
    """Filters in the order in which they are applied, and the split; None: no such filter."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    min_rating: float | None = None
    """The lowest rating that counts."""
    duplicates: Duplicates = "all"
    """Which interactions are kept of a user with the same item."""
    max_length: int | None = Field(default=None, ge=3, le=_MOST)
    """Users with more interactions are dropped."""
    last: int | None = Field(default=None, ge=3, le=_MOST)
    """How many of each user's latest interactions are kept."""
    min_length: int | None = Field(default=None, ge=0, le=_MOST)
    """Users with fewer interactions are dropped; below five of leave-one-out."""
    k_core: int = Field(default=0, ge=0, le=_MOST)
    """Users and items with fewer interactions are dropped until none is left that has."""
    users: int | None = Field(default=None, ge=1, le=_MOST)
    """How many users are drawn."""
    items: int | None = Field(default=None, ge=1, le=_MOST)
    """How many items are drawn."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the draw."""
    window: int | None = Field(default=None, ge=2, le=_MOST)
    """How many interactions of training one sequence has; those of a longer history become several."""
    stride: int | None = Field(default=None, ge=1, le=_MOST)
    """How far one window lies behind the next; without it they do not overlap."""
    split: SplitName | None = None
    """Each user's last two are the targets; or those of two periods of time; or those that the source states."""

    @property
    def least(self) -> int:
        """Interactions that a user must have."""
        return max(self.min_length or 0, self.k_core)

    def resolved(self, *, has_split: bool) -> "Preparation":
        """What nobody said: a source's own split where it has one, else the published one with its least length."""
        split = self.split or ("ready" if has_split else "leave-one-out")
        least = PUBLISHED_LEAST if split == "leave-one-out" and self.min_length is None else self.min_length
        return chosen(**self.model_dump(exclude={"split", "min_length"}), split=split, min_length=least)

    @model_validator(mode="after")
    def _fit(self) -> "Preparation":
        if self.split == "leave-one-out" and self.min_length is not None and self.min_length < PUBLISHED_LEAST:
            raise ValueError(
                f"--min-length {self.min_length}: the published leave-one-out drops users with fewer than "
                f"{PUBLISHED_LEAST}: raise it, or use --split global-time"
            )
        if self.stride is not None and (self.window is None or self.stride > self.window):
            raise ValueError("--stride is at most --window, and nothing without it: give a --window as long")
        if self.max_length is not None and self.max_length < self.least:
            raise ValueError("--max-length is below --min-length or --k-core, so no user is left: raise it")
        if self.last is not None and self.last < self.least:
            raise ValueError("--last is below --min-length or --k-core, so no user is left: raise it")
        return self


def chosen(**options: object) -> Preparation:
    """The preparation with the options that were given, None where not; BenchError names the option at fault."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Preparation.model_validate(given)
    except ValidationError as error:
        fault = first_fault(error, given)
        place = f"--{fault.key.replace('_', '-')}: " if fault.key else ""
        raise BenchError(f"{place}{fault.message}") from error
