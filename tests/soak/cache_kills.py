"""Kills a cache build at random moments, restarts it until it ends, and compares the bytes with an undisturbed build.

python tests/soak/cache_kills.py DATASET TEXT_BACKBONE [KILLS]
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tpmebench.files import file_digest


def build(cache: Path, dataset: str, backbone: str, kill_after: float | None) -> bool:
    """Starts a study that builds the cache; kills it after so many seconds. Whether it came to its end."""
    command = ["bench", "run", "--dataset", dataset, "--text-backbone", backbone, "--modalities", "text"]
    command += ["--methods", "frozen-cached", "--epochs", "1", "--set", "references=false", "--out", str(cache / "run")]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TPMEBENCH_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(kill_after) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1)  # the worker notices that its harness is gone
        return False


def digests(cache: Path) -> dict[str, str]:
    """Hashes of the arrays of every complete entry."""
    return {str(path.relative_to(cache)): file_digest(path) for path in sorted(cache.glob("features/*/*.npy"))}


def main(dataset: str, backbone: str, kills: int = 10) -> None:
    """Compares an undisturbed build with one that was killed again and again."""
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as killed:
        start = time.monotonic()
        assert build(Path(whole), dataset, backbone, None), "the undisturbed build failed"
        seconds = time.monotonic() - start
        done = 0
        while done < kills and not build(Path(killed), dataset, backbone, random.uniform(3.0, 3.0 + seconds / 4)):
            done += 1
        assert build(Path(killed), dataset, backbone, None), "the last build failed"
        same = digests(Path(whole)) == digests(Path(killed)) and bool(digests(Path(whole)))
        print(f"{done} kills, undisturbed {seconds:.0f} s: the bytes are {'the same' if same else 'DIFFERENT'}")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
