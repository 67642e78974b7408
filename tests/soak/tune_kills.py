"""Kills `bench tune` at random moments, session and cell at once, until it ends; no point may be missing or run twice.

python tests/soak/tune_kills.py [KILLS] [POINTS]
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

METHODS = ("sasrec-id", "frozen-cached")
SEEDS = 2
MOST_SECONDS = 4.0
"""After a cell's start, until the kill."""


def tune(directory: Path, points: int) -> list[str]:
    """The command."""
    command = [str(Path(sys.executable).with_name("bench")), "tune", "--points", str(points), "--seeds", str(SEEDS)]
    command += ["--methods", ",".join(METHODS), "--dataset", "bazaar:items=60,users=40", "--epochs", "3"]
    return [*command, "--set", "references=false", "--out", str(directory / "study")]


def start(directory: Path, points: int, number: int) -> tuple[subprocess.Popen[bytes], Path]:
    """Starts the command, which prints into a file of its own."""
    printed = directory / f"{number}.txt"
    with printed.open("wb") as file:
        return subprocess.Popen(tune(directory, points), stdout=file, stderr=subprocess.STDOUT), printed


def killed(process: subprocess.Popen[bytes], printed: Path) -> bool:
    """Waits for a cell to start and a moment more, then kills the session and all below it; False if it had ended."""
    while ": started" not in printed.read_text(errors="replace"):
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    try:
        process.wait(random.uniform(0.0, MOST_SECONDS))
        return False
    except subprocess.TimeoutExpired:
        session = psutil.Process(process.pid)
        below = session.children(recursive=True)
        for each in (session, *below):
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        return True


def records(directory: Path) -> dict[str, dict[str, Any]]:
    """What is there, by cell."""
    found = (directory / "study" / "records").glob("*.json")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}


def faults(directory: Path, points: int, seen: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with a search that has come to its end."""
    found, wrong = records(directory), []
    wrong += [f"{cell}: its record was written twice" for cell, record in seen.items() if found.get(cell) != record]
    wrong += [f"{cell}: {record['status']}" for cell, record in found.items() if record["status"] != "ok"]
    for method in METHODS:
        cells = [record["cell"] for record in found.values() if record["cell"]["method"] == method]
        tried = [str((cell["options"], cell["rates"])) for cell in cells if cell["search"]]
        runs = sorted(cell["seed"] for cell in cells if not cell["search"])
        if len(tried) != points or len(set(tried)) != points:
            wrong.append(f"{method}: {len(tried)} points, {len(set(tried))} of them distinct, for {points}")
        if runs != list(range(SEEDS)):
            wrong.append(f"{method}: its choice ran on seeds {runs}")
    text = "".join(path.read_text(errors="replace") for path in directory.glob("*.txt"))
    ended = Counter(re.findall(r"^\[\d+/\d+\] (.+?): ok ", text, re.MULTILINE))
    return wrong + [f"{cell}: ended {count} times" for cell, count in ended.items() if count > 1]


def main(kills: int = 10, points: int = 6) -> None:
    """Kills so often, then lets it run to its end and looks."""
    with tempfile.TemporaryDirectory() as place:
        directory, done, seen = Path(place), 0, {}
        began = time.monotonic()
        while done < kills:
            process, printed = start(directory, points, done)
            if not killed(process, printed):
                break
            done += 1
            changed = [cell for cell, record in seen.items() if records(directory).get(cell) != record]
            assert not changed, f"written twice: {changed}"
            seen |= records(directory)
        process, _ = start(directory, points, done)
        assert process.wait() == 0, "the last run failed"
        wrong = faults(directory, points, seen)
        cells = len(records(directory))
        print(f"{done} kills, {cells} cells, {time.monotonic() - began:.0f} s: {'; '.join(wrong) or 'all there, once'}")
        sys.exit(1 if wrong or done < kills else 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
