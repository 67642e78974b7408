"""Kills a preparation at random moments, again and again, and compares the bytes with those of an undisturbed one.

python tests/soak/prepare_kills.py [DATASET [KILLS]]
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tpmebench.files import file_digest


def prepare(dataset: str, out: Path, kill_after: float | None) -> bool:
    """Starts a preparation and kills it after so many seconds. Whether it came to its end."""
    command = [str(Path(sys.executable).with_name("bench")), "data", "prepare", dataset, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(kill_after) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


def contents(out: Path) -> dict[str, str]:
    """The digest of every file, hidden ones among them."""
    return {path.name: file_digest(path) for path in sorted(out.iterdir())}


def main(dataset: str, kills: int) -> None:
    """Kills at moments of an undisturbed preparation; each goes on from what is left, until one comes to its end."""
    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place) / "whole", Path(place) / "killed"
        start = time.monotonic()
        assert prepare(dataset, whole, None), "the undisturbed preparation failed"
        seconds, done = time.monotonic() - start, 0
        while done < kills:
            if not prepare(dataset, killed, random.uniform(seconds / 8, seconds)):
                done += 1
            else:  # it came to its end before: from the beginning
                assert contents(whole) == contents(killed), "the bytes are DIFFERENT"
                shutil.rmtree(killed)
        assert prepare(dataset, killed, None), "the last preparation failed"
        same = contents(whole) == contents(killed)
        print(f"{done} kills, undisturbed {seconds:.0f} s: the bytes are {'the same' if same else 'DIFFERENT'}")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main((sys.argv[1:2] or ["bazaar:items=3000,users=4000"])[0], int((sys.argv[2:3] or ["10"])[0]))
