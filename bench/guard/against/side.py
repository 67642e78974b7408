"""One side of a comparison: a process that runs cells with the code of its tree, when it is told to."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....errors import BenchError
from ....reports.reading import load_records
from ....reports.records import Record

_PROGRAM = Path(__file__).with_name("side_program.py")
_GRACE_SECONDS = 15.0
_TURNS = Path("bench/worker/turns.py")
_LONGEST_ADDRESS = 100


class Side:
    """`name`: what it is called. `tree`: its files. `place`: a folder of its own, for records, cache and socket.

    `links`: what it must import from its tree, by name.
    """

    def __init__(self, name: str, tree: Path, place: Path, links: Mapping[str, Path]) -> None:
        self.name, self.tree, self.place = name, tree, place
        path = place / "path"
        path.mkdir(parents=True)
        for called, target in links.items():
            (path / (f"{called}.py" if target.suffix == ".py" else called)).symlink_to(target)
        known = os.environ.get("PYTHONPATH")
        environment = dict(os.environ) | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(path), known))),
            "TPMEBENCH_CACHE": str(place / "cache"),
        }
        self._log = (place / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )

    @property
    def answers(self) -> Any:
        """The stream on which its answers come, a line each."""
        return self._process.stdout

    @property
    def can_listen(self) -> bool:
        """Whether it can be given turns here: a socket in a folder, whose name some systems want short."""
        return hasattr(socket, "AF_UNIX") and len(str(self.turns)) < _LONGEST_ADDRESS

    @property
    def turns(self) -> Path:
        """Where its cells ask for turns."""
        return self.place / "turns"

    def begin(self) -> Path:
        """Waits until it is ready; gives the folder of the suite that it runs. BenchError for one that is too old."""
        told = self.answer()
        if not told.get("costs"):
            raise BenchError(
                f"--against: the suite at {self.name} is too old to measure costs alone (bench run --costs); choose a "
                "later ref"
            )
        return Path(told["suite"]).parent

    def ask(self, run: Mapping[str, Any], turns: Path | None) -> None:
        """Has it run cells: the arguments of `tpmebench.run`, and the socket for turns, if they are to be taken."""
        assert self._process.stdin is not None
        line = json.dumps({"run": run, "turns": None if turns is None else str(turns)})
        with suppress(BrokenPipeError):  # it is gone; `answer` says so
            self._process.stdin.write(line.encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """Waits for its next answer: {"error": …} where it could not run them."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        lines = (self.place / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchError(f"--against: the process of {self.name} ended: {lines[-1] if lines else 'without a word'}")

    def records(self, directory: str) -> dict[int, Record]:
        """What its cells left in one of its directories, by repeat."""
        place = self.place / directory
        found = load_records(place) if any((place / "records").glob("*.json")) else []
        return {record.cell.repeat: record for record in found}

    def close(self) -> None:
        """Ends it, and the cell that it may be running."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()  # not by SIGINT, which what a script starts with & ignores
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def takes_turns(suite: Path) -> bool:
    """Whether the cells of a suite can rest between blocks of steps."""
    return (suite / _TURNS).is_file()
