"""Phase clocks on a timeline that the test moves by hand; no test reads the wall clock."""

from typing import Any

import pytest

from tpmebench.bench.meters import clocks
from tpmebench.bench.meters.clocks import CpuTimeline, EpochTimes, PhaseClock


class Card:
    """A stand-in for CUDA: marks become readable only when the host waits or `finish` is called."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits = 0
        self.finished = False
        self.live: list[dict[str, Any]] = []
        self.made = 0
        self.spare: list[dict[str, Any]] = []

    def mark(self) -> dict[str, Any]:
        if self.spare:
            event = self.spare.pop()
        else:
            event = {}
            self.made += 1
        event.update(at=self.now, done=self.finished, spare=False)
        self.live.append(event)
        return event

    def seconds(self, start: dict[str, Any], end: dict[str, Any]) -> float:
        assert start["done"] and end["done"], "read before the card was there"
        return end["at"] - start["at"]

    def ready(self, mark: dict[str, Any]) -> bool:
        return mark["done"]

    def recycle(self, mark: dict[str, Any]) -> None:
        assert not mark["spare"], "given back twice"
        mark["spare"] = True
        self.spare.append(mark)

    def wait(self) -> None:
        self.waits += 1
        for event in self.live:
            event["done"] = True
        self.live.clear()


def epoch(clock: PhaseClock, card: Card, steps: int) -> EpochTimes:
    clock.start_epoch()
    for _ in range(steps):
        for phase, seconds in (("data", 1), ("forward", 2), ("backward", 4), ("update", 0.5)):
            with clock.phase(phase):  # type: ignore[arg-type]
                card.now += seconds
        card.now += 0.25
        clock.end_step()
    with clock.phase("data"):
        card.now += 1  # finding out that there is no further batch
    return clock.end_epoch()


def test_phases_steps_and_the_rest_add_up() -> None:
    card = Card()
    times = epoch(PhaseClock(timeline=card), card, steps=3)
    assert times == EpochTimes(total=24.25, data=4, forward=6, backward=12, update=1.5, steps=[7.75] * 3)


def test_the_card_is_waited_for_at_the_two_ends_only() -> None:
    card = Card()
    epoch(PhaseClock(timeline=card), card, steps=1000)
    assert card.waits == 2


def test_a_second_epoch_starts_from_zero() -> None:
    card = Card()
    clock = PhaseClock(timeline=card)
    first = epoch(clock, card, steps=2)
    card.now += 100  # validation in between
    assert epoch(clock, card, steps=2) == first


def test_marks_are_read_and_reused_while_a_long_epoch_runs() -> None:
    card = Card()
    card.finished = True
    clock = PhaseClock(timeline=card)
    for _ in range(2):
        times = epoch(clock, card, steps=5000)
        phases = {"data": 5001, "forward": 10000, "backward": 20000, "update": 2500}
        assert times == EpochTimes(total=38751, **phases, steps=[7.75] * 5000)
    assert card.made < 12 * clocks._UNREAD_STEPS


class Late(Card):
    """A card that has finished all but what was marked last."""

    def mark(self) -> dict[str, Any]:
        event = super().mark()
        if len(self.live) > 31:  # within a step of nine marks, and whole steps behind
            self.live.pop(0)["done"] = True
        return event


def test_a_step_is_read_once_the_card_has_finished_it() -> None:
    card = Late()
    times = epoch(PhaseClock(timeline=card), card, steps=1000)
    assert (times.total, times.steps) == (7751, [7.75] * 1000)
    assert card.waits == 2


def test_an_epoch_that_broke_off_leaves_nothing_to_the_next() -> None:
    card = Card()
    clock = PhaseClock(timeline=card)
    whole = epoch(clock, card, steps=2)
    clock.start_epoch()
    with clock.phase("forward"):
        card.now += 1
    clock.end_step()
    with pytest.raises(ValueError), clock.phase("backward"):
        raise ValueError
    assert epoch(clock, card, steps=2) == whole


def test_an_error_inside_a_phase_is_not_swallowed() -> None:
    clock = PhaseClock()
    clock.start_epoch()
    with pytest.raises(ValueError, match="diverged"), clock.phase("forward"):
        raise ValueError("diverged")


def test_a_phase_that_occurs_twice_in_a_step_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(CpuTimeline, "mark", staticmethod(lambda: float(next(ticks))))
    clock = PhaseClock("cpu")
    assert clock.source == "perf-counter"
    clock.start_epoch()  # 0
    for _ in range(2):
        with clock.phase("forward"):  # 1–2, 3–4
            pass
    clock.end_step()  # 5
    times = clock.end_epoch()  # 6
    assert (times.total, times.forward, times.steps) == (6.0, 2.0, [5.0])


def test_an_unknown_phase_is_an_error() -> None:
    with pytest.raises(KeyError):
        PhaseClock().phase("evaluation")  # type: ignore[arg-type]
