"""Commands that start at once: a nursery forks each, as it forks cells, and the cells of a study come from it as well.

Of a short command most is imports: 3 s of processor time, and 4 s more for the nursery that its cells come from. What
starts here is the command all the same, in a process with arguments, variables, folder and streams of its own; only
libraries and our own code have been imported before. How it starts and ends without that is for tests to look at that
start it as a user does, with `bench_afresh` or `bench_started`.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tpmebench.bench.nursery import LIBRARIES, TOWER_LIBRARIES, Nursery, Process, Program

COMMAND = "tpmebench.bench.cli"
_HERE = str(Path(__file__).parent)
_IMPORTED = (
    *(*LIBRARIES, *TOWER_LIBRARIES, "transformers.models.bert.modeling_bert", "transformers.models.vit.modeling_vit"),
    *("matplotlib.backends.backend_agg", "scipy.stats", COMMAND, "tpmebench.bench.running.session"),
    *("tpmebench.reports.report", "tpmebench.bench.worker.phases", "tpmebench.bench.worker.self_check"),
)
_SECONDS = 300


class Warm(Nursery):
    """Asks a nursery for processes that have these variables, and the folder of who asks unless another is given."""

    def __init__(self, door: socket.socket, environment: dict[str, str], folder: str | None = None) -> None:
        super().__init__(door)
        self._environment, self._folder = environment, folder

    def start(self, program: Program) -> Process:
        """Forks."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            what = {"module": program.module, "arguments": program.arguments}
            json.dump(what | {"folder": self._folder or str(Path.cwd()), "environment": self._environment}, file)
        return super().start(Program(__name__, (file.name,), program.streams))


def open_nursery(environment: dict[str, str], log: Path) -> Nursery:
    """One that has imported what commands and cells import, which reads some of these variables once."""
    with log.open("ab") as printed:
        return Nursery.open(_IMPORTED, environment | {"PYTHONPATH": _HERE}, printed.fileno())


def run_command(
    nursery: Nursery, arguments: Sequence[str | Path], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs `bench` to its end."""
    command = tuple(map(str, arguments))
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as errors,
        Path(os.devnull).open() as nothing,
    ):
        streams = (nothing.fileno(), out.fileno(), errors.fileno())
        process = Warm(nursery._door, environment, str(folder)).start(Program(COMMAND, command, streams))
        try:
            code = process.wait(_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        for file in (out, errors):
            file.seek(0)
        return subprocess.CompletedProcess(["bench", *command], code, out.read(), errors.read())


def main(job: str) -> int:
    """In the process that was forked: becomes what was asked for."""
    what = json.loads(Path(job).read_text())
    Path(job).unlink()
    sys.path.remove(_HERE)
    os.environ.clear()
    os.environ.update(what["environment"])
    os.chdir(what["folder"])
    assert Nursery.here
    door = Nursery.here._door
    Nursery.here = Warm(door, what["environment"])
    Nursery.open = classmethod(lambda _, libraries, environment, log: Warm(door.dup(), environment))  # type: ignore[method-assign]
    program, arguments = importlib.import_module(what["module"]), what["arguments"]
    if what["module"] == COMMAND:
        sys.argv = ["bench", *arguments]
        return program.main()
    return program.main(*arguments)
