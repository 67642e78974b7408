"""Runs the same study again and again and checks each run against the first: how many raise an alarm?

python tests/soak/honest_repetitions.py STUDY [RUNS] [-- flags of `bench run`]
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main(study: str, runs: int = 20, *flags: str) -> None:
    """Prints the runs that `bench check` failed, with its table."""
    alarms = 0
    with tempfile.TemporaryDirectory() as scratch:
        baseline = Path(scratch) / "baseline.json"
        for number in range(runs + 1):
            directory = Path(scratch) / str(number)
            subprocess.run(
                ["bench", "run", study, "--out", str(directory), *flags], check=True, stdout=subprocess.DEVNULL
            )
            update = ["--update"] if number == 0 else []
            check = subprocess.run(
                ["bench", "check", str(directory), "--baseline", str(baseline), *update], capture_output=True, text=True
            )
            if check.returncode:
                alarms += 1
                print(f"run {number}:\n{check.stdout}{check.stderr}", flush=True)
    print(f"{alarms} alarms in {runs} honest repetitions")


if __name__ == "__main__":
    own, _, flags = " ".join(sys.argv[1:]).partition(" -- ")
    words = own.split()
    main(words[0], int(words[1]) if len(words) > 1 else 20, *flags.split())
