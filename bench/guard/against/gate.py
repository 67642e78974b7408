"""`bench check --against REF`: what methods cost at a ref and now, measured on one machine within one job.

Base and head run the same study, `--costs` alone, in worktree and working tree, with the same Python and the same
packages. Cells are taken in pairs, one of each side, until the interval of the ratio of their steps is narrow or the
time is over. Exact numbers of the same cells are held against each other as they come.
"""

import math
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import BenchError
from ...meters.environment import usable_cores
from ...study.schema import Study
from ..findings import QUIET, Finding, Outcome, Verdict
from ..step_ratio import TOLERANCE
from ..time_ratios import CONFIDENCE
from .lane import Lane
from .referee import Length
from .side import Side, takes_turns
from .subject import SUITE, Subject, find_subject

FAILING: tuple[Verdict, ...] = ("worse", "failed", "missing")
_SIDES = ("base", "head")


@dataclass(frozen=True)
class Against:
    """`ref`: what to hold the working tree against. `tolerance`: a slow-down that is none. `minutes`: when to stop."""

    ref: str
    tolerance: float = TOLERANCE
    minutes: float = 10.0
    length: Length = field(default_factory=Length)


def run_against(study: Study, asked: Against, say: Callable[[str], None]) -> tuple[int, Outcome]:
    """The exit status, 1 when something got worse, and what was found. `say` is told of the progress.

    BenchError where there is no such ref, no repository, a suite too old at it, or more than one setting to compare.
    """
    _check(study)
    subject = find_subject(study.methods)
    repository = subject.repository
    commit = repository.commit(asked.ref)
    short = repository.describe(commit)
    said = asked.ref if asked.ref.startswith(short[:7]) else f"{asked.ref} ({short})"
    now = "the working tree as it is, with changes that are not committed" if repository.changed else "the working tree"
    say(f"{'the suite' if subject.suite else repository.root.name}: {now}, against {said}")
    with ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tpme-", ignore_cleanup_errors=True)))
        base = stack.enter_context(repository.worktree(commit, scratch / "tree"))
        sides: list[Side] = []
        for name, tree in zip(_SIDES, (base, repository.root), strict=True):
            sides.append(Side(asked.ref if name == "base" else "head", tree, scratch / name, subject.links(tree)))
            stack.callback(sides[-1].close)
        turns = _begin(sides, subject)
        lanes = [Lane(number, method, study, subject, sides, turns) for number, method in enumerate(study.methods)]
        Race(lanes, asked, say).run()
        found = [finding for lane in lanes for finding in lane.findings(asked.tolerance)]
    failed = [finding for finding in found if finding.verdict in FAILING]
    title = f"{now[0].upper()}{now[1:]}, against {said}: " + (
        f"{len(failed)} got worse" if failed else "nothing got worse"
    )
    notes = [*_notes(lanes, found, asked, turns), *_dependencies(subject, commit, asked.ref)]
    return int(bool(failed)), Outcome(title, found, FAILING, notes, name=f"bench check --against {asked.ref}")


@dataclass(frozen=True)
class Race:
    """All methods' pairs, one of each at a time, until every method is settled or the time is over."""

    lanes: Sequence[Lane]
    asked: Against
    say: Callable[[str], None]

    def run(self) -> None:
        """Every method gets its first pair, whatever it takes."""
        deadline = time.monotonic() + 60 * self.asked.minutes
        while waiting := [lane for lane in self.lanes if not lane.settled]:
            for lane in waiting:
                if lane.taken and time.monotonic() >= deadline:
                    continue
                lane.run_pair(self.asked.length)
                self.say(self._told(lane))
            if time.monotonic() >= deadline:
                return

    def _told(self, lane: Lane) -> str:
        if lane.end is not None:
            return f"{lane.name}: {lane.end.verdict}: {lane.end.why}"
        found = lane.ratio.interval
        bounds = "" if math.isnan(found.low) else f", interval {found.low - 1:+.1%} … {found.high - 1:+.1%}"
        return f"{lane.name}: pair {lane.taken}: a step takes {found.value - 1:+.1%}{bounds}"


def _check(study: Study) -> None:
    for what, several in {"datasets": study.datasets, "pairs of backbones": study.backbones}.items():
        if len(several) > 1:
            raise BenchError(f"--against: the study has {len(several)} {what}; compare one at a time")
    if study.sweep:
        raise BenchError(
            "--against: the study sweeps over settings; name variants instead: --methods lora:r=4,lora:r=16"
        )
    if "all" in study.methods:
        raise BenchError("--against: name the methods to compare instead of 'all'; each takes a minute or more")


def _begin(sides: Sequence[Side], subject: Subject) -> bool:
    """Waits for both sides; whether their cells can take turns. BenchError where one has another suite than its own."""
    suites = [side.begin() for side in sides]
    for side, suite in zip(sides, suites, strict=True):
        wanted = subject.links(side.tree)["tpmebench"] if subject.suite else SUITE
        if suite.resolve() != wanted.resolve():
            raise BenchError(f"--against: {side.name} imports {suite} instead of {wanted}; unset PYTHONPATH")
    return all(map(takes_turns, suites)) and all(side.can_listen for side in sides)


def _notes(lanes: Sequence[Lane], found: Sequence[Finding], asked: Against, turns: bool) -> Iterator[str]:
    least = sorted((one.least, one.case) for one in found if one.least is not None)
    if least:
        (low, first), (high, last) = least[0], least[-1]
        seen = f"from {low:.0%} on" if low == high else f"from {low:.0%} ({first}) to {high:.0%} ({last}) on"
        yield f"A slow-down of a step would be found {seen}, four times out of five."
    quiet, unjudged = (sum(one.verdict in kinds for one in found) for kinds in (QUIET, ("not judged",)))
    yield f"{quiet} of {len(found)} numbers held" + (f", {unjudged} could not be judged." if unjudged else ".")
    how = "blocks of steps in turns" if turns else "whole cells in turns, as those at the ref can take no others"
    pairs = sum(lane.taken for lane in lanes)
    yield (
        f"{pairs} pairs of cells, {how}. A step is slower when the {CONFIDENCE:.0%} interval of "
        f"its ratio lies above {1 + asked.tolerance:g}, waits for a core left out; a number that repeats exactly is "
        "worse by any rise."
    )
    threads = lanes[0].study.threads if lanes else 0
    if lanes and lanes[0].study.device != "cuda" and not threads and usable_cores() > 1:
        yield "Measured with one thread, which other work disturbs least; --set threads=N takes more."


def _dependencies(subject: Subject, commit: str, ref: str) -> Iterator[str]:
    """What is to be said of the packages that both sides used."""
    differing = subject.repository.other_dependencies(commit)
    if differing:
        yield (
            f"{ref} asks for other packages ({', '.join(differing)}): both sides ran with those that are installed "
            "here, so what a package changes is not seen."
        )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM, with which a job is cancelled, end the block as Ctrl-C does."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
