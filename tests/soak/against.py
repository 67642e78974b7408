"""Whether `bench check --against` sees a slow-down of a tenth beside other work, and cries wolf without one.

python tests/soak/against.py [RUNS] [--slower 0.1] [--methods lora] [--minutes 10] [-- more flags of `bench check`]

Clones the checkout's commit, compares the clone with itself RUNS times (10), then once more with a slow-down planted in
the first of the methods: after each update a loop burns a tenth of the processor time that the step took. A process
that spins keeps the cores of this one busy all the while. Status 1 when an honest run raises an alarm or the planted
one raises none. To have all of it on one core: taskset -c 0 python tests/soak/against.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from inspect import getsourcefile
from pathlib import Path
from typing import Any

from busy import load

from tpmebench.methods.registry import find_method

ROOT = Path(__file__).resolve().parents[2]
PLANTED = '''

def _burn(self, encoder, step, share={share}):
    """Planted by a test: burns a share of the processor time that went since the last step."""
    import time

    now = time.thread_time()
    until = now + share * (now - getattr(self, "_burnt", now))
    while time.thread_time() < until:
        pass
    self._burnt = time.thread_time()


{name}.after_update = _burn
'''


@dataclass(frozen=True)
class Outcome:
    """What a comparison said: its status, its numbers, and how long it took."""

    status: int
    findings: list[dict[str, Any]]
    seconds: float
    errors: str

    def __str__(self) -> str:
        lines = [f"status {self.status} after {self.seconds:.0f} s"]
        for one in self.findings:
            if one["number"] == "step time" or one["fails"] or one["verdict"] == "failed":
                change = "" if one["change"] is None else f" {one['change']:+.1%}"
                lines.append(f"{one['case']}: {one['number']}: {one['verdict']}{change}; {one['why']}")
        return "\n  ".join(lines if self.findings else [*lines, self.errors])


def compare(clone: Path, methods: str, flags: list[str]) -> Outcome:
    """Runs the clone's own command in it."""
    command = [sys.executable, "-P", "-m", "tpmebench", "check", "--against", "HEAD", "--methods", methods]
    environment = os.environ | {"PYTHONPATH": str(clone.parent)}
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--format", "json", *flags], cwd=clone, env=environment, capture_output=True, text=True
    )
    found = json.loads(done.stdout)["findings"] if done.stdout else []
    return Outcome(done.returncode, found, time.monotonic() - start, done.stderr)


def plant(clone: Path, method: str, share: float) -> None:
    """Makes a method's steps slower by a share, in its file of the clone."""
    found = find_method(method)
    source = getsourcefile(found)
    assert source is not None
    file = clone / Path(source).resolve().relative_to(ROOT)
    file.write_text(file.read_text() + PLANTED.format(share=share, name=found.__name__))


def main(given: argparse.Namespace, flags: list[str]) -> int:
    """Prints a line or more a run."""
    flags = ["--minutes", str(given.minutes), *flags]
    with tempfile.TemporaryDirectory() as scratch, load():
        clone = Path(scratch) / "tpmebench"
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(clone)], check=True)
        alarms = 0
        for number in range(given.runs):
            found = compare(clone, given.methods, flags)
            alarms += found.status != 0
            print(f"honest {number + 1}: {found}", flush=True)
        plant(clone, given.methods.partition(",")[0], given.slower)
        planted = compare(clone, given.methods, flags)
        print(f"planted {given.slower:.0%}: {planted}", flush=True)
    seen = [one["case"] for one in planted.findings if one["number"] == "step time" and one["fails"]]
    print(f"{alarms} alarms in {given.runs} honest runs; the planted slow-down was {'caught' if seen else 'missed'}")
    return int(bool(alarms) or seen != [given.methods.partition(",")[0]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=10)
    parser.add_argument("--slower", type=float, default=0.1)
    parser.add_argument("--methods", default="lora")
    parser.add_argument("--minutes", type=float, default=10)
    return parser


if __name__ == "__main__":
    words, rest = sys.argv[1:], []
    if "--" in words:
        words, rest = words[: words.index("--")], words[words.index("--") + 1 :]
    sys.exit(main(_parser().parse_args(words), rest))
