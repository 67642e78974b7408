"""Runs the same study again and again and checks each run against the first: how many raise an alarm?

python tests/soak/honest_repetitions.py STUDY [RUNS] [LOADED] [-- flags of `bench run`]

The last LOADED runs (5) of RUNS (20) have a second process beside them that keeps every core busy: they must not give a
false verdict either, and their epochs must be marked as disturbed. Status 1 when one of the two does not hold.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from busy import load

from tpmebench.reports.analysis.epochs import is_marked
from tpmebench.reports.reading import load_records


@dataclass(frozen=True)
class Repetition:
    """One run's verdicts and marks: epochs marked as disturbed, of all; numbers that were not judged."""

    failed: list[str]
    warned: list[str]
    better: list[str]
    unjudged: int
    marked: int
    epochs: int
    notes: list[str]


def repetition(directory: Path, baseline: Path, study: str, flags: tuple[str, ...], update: bool) -> Repetition:
    """Runs the study and checks it."""
    run = ["bench", "run", study, "--strict", "--out", str(directory), *flags]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    check = ["bench", "check", str(directory), "--baseline", str(baseline), "--format", "json"]
    done = subprocess.run([*check, *["--update"] * update], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    content = json.loads(done.stdout)
    epochs = [epoch for record in load_records(directory) for epoch in record.time.epochs]

    def named(*verdicts: str) -> list[str]:
        found = [finding for finding in content["findings"] if finding["verdict"] in verdicts]
        return [f"{one['case']}, {one['number']}: {one['verdict']}, {one['why']}" for one in found]

    return Repetition(
        named("worse", "failed", "missing"),
        named("warning", "changed"),
        named("better"),
        len(named("not judged")),
        sum(map(is_marked, epochs)),
        len(epochs),
        content["notes"],
    )


def main(study: str, runs: int, loaded: int, *flags: str) -> int:
    """Prints a line a run, and whatever it gave an alarm about."""
    alarms = unmarked = 0
    with tempfile.TemporaryDirectory() as scratch:
        baseline = Path(scratch) / "baseline.json"
        repetition(Path(scratch) / "0", baseline, study, flags, update=True)
        for number in range(1, runs + 1):
            directory = Path(scratch) / str(number)
            if with_load := number > runs - loaded:
                with load():
                    found = repetition(directory, baseline, study, flags, update=False)
            else:
                found = repetition(directory, baseline, study, flags, update=False)
            alarms += bool(found.failed or found.warned or found.better)
            unmarked += with_load and not found.marked
            where = "loaded" if with_load else "alone"
            print(
                f"run {number} ({where}): {found.marked} of {found.epochs} epochs marked, {found.unjudged} numbers not "
                f"judged. {' '.join(found.notes[:3])}",
                *found.failed,
                *found.warned,
                *found.better,
                sep="\n  ",
                flush=True,
            )
    print(f"{alarms} false verdicts in {runs} honest repetitions; {unmarked} of {loaded} loaded ones without a mark")
    return int(bool(alarms or unmarked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("study")
    parser.add_argument("runs", type=int, nargs="?", default=20)
    parser.add_argument("loaded", type=int, nargs="?", default=5)
    return parser


if __name__ == "__main__":
    words, flags = sys.argv[1:], []
    if "--" in words:
        words, flags = words[: words.index("--")], words[words.index("--") + 1 :]
    given = _parser().parse_args(words)
    sys.exit(main(given.study, given.runs, given.loaded, *flags))
