"""What becomes of a cell's process, with small programs in the place of the worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tpmebench.bench.console import Screen
from tpmebench.bench.meters import kills
from tpmebench.bench.nursery import Program
from tpmebench.bench.running import cell_process, local
from tpmebench.bench.running.display import CellView, Display
from tpmebench.bench.running.local import Runner, what_became
from tpmebench.bench.study.grid import Planned, plan
from tpmebench.bench.study.study import Study
from tpmebench.cell import Cell
from tpmebench.reports.reading import read_record
from tpmebench.reports.records import Record, record_path

# A worker in a few lines: `leave` writes its record, `tell` sends an event, `start` starts a process that never ends.
WORKER = """
import json, os, signal, subprocess, sys, time
job = json.loads(sys.stdin.readline())
record, folder = job["record"], job["directory"]
def tell(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)
def leave(**fields):
    path = os.path.join(folder, "records", record["cell_id"] + ".json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(record | fields, file)
def start():
    child = subprocess.Popen(["sleep", "600"])
    with open(os.path.join(folder, "child"), "w") as file:
        file.write(str(child.pid))
"""
Run = Callable[..., Record]


class Start:
    """Starts these lines of Python instead of the worker."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __call__(self, program: Program, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = program.streams
        command = [sys.executable, "-S", "-c", self._program]
        return subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, start_new_session=True
        )

    def close(self) -> None:
        pass


def quiet() -> Screen:
    screen = Screen()
    screen.quiet = True
    return screen


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Planned:
    monkeypatch.setattr(cell_process, "_GRACE_SECONDS", 1.0)
    (planned,) = plan(Study(methods=["sasrec-id"], references=False, device="cpu"), Path("nowhere"), "0.1.0")
    return planned


@pytest.fixture
def run_two(cell: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Record]]:
    """Runs two cells at a time whose workers do what they are told; gives their records."""

    def run_two(does: str, display: Display | None = None) -> list[Record]:
        monkeypatch.setattr(local, "Start", lambda *_: Start(f"{WORKER}\n{does}"))
        cells = [replace(cell, cell=cell.cell.model_copy(update={"seed": seed}), record=None) for seed in (0, 1)]
        return Runner(Study(repeat_disturbed=3), tmp_path, display or Display(quiet()), [], jobs=2).run(cells)

    return run_two


@pytest.fixture
def run(cell: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a cell whose worker does what it is told in Python; gives the record."""

    def run(
        does: str, timeout: float | None = None, display: Display | None = None, trackers: Sequence[str] = ()
    ) -> Record:
        monkeypatch.setattr(local, "Start", lambda *_: Start(f"{WORKER}\n{does}"))
        planned = replace(cell, cell=cell.cell.model_copy(update={"timeout": timeout}), record=None)
        shown = display or Display(quiet())
        (record,) = Runner(Study(trackers=list(trackers)), tmp_path, shown, []).run([planned])
        assert read_record(record_path(tmp_path, record.cell_id)) == record
        return record

    return run


class Stops(Display):
    """Ctrl-C when the first cell tells of its progress."""

    def start(self, number: int, total: int, cell: Cell, label: str = "") -> CellView:
        view = super().start(number, total, cell, label)
        view.update = _ctrl_c
        return view


def _ctrl_c(event: dict[str, Any]) -> None:
    if event["event"] == "phase":
        raise KeyboardInterrupt


def gone(tmp_path: Path) -> bool:
    """Whether the process that `start` started has ended (a zombie has), within ten seconds."""
    status = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    for _ in range(1000):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_record_that_the_cell_left_is_the_row(run: Run) -> None:
    assert run("leave(status='ok', summary='by the cell'); tell('done', status='ok')").summary == "by the cell"


TRACKER = """
from tpmebench.bench.running.trackers import Tracker

class Loud(Tracker):
    def record(self, record):
        raise RuntimeError(f"{record.status} {record.summary}")
"""


def test_a_tracker_hears_of_every_end_and_fails_no_cell(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud.py").write_text(TRACKER)
    names = [f"{tmp_path / 'loud.py'}:Loud"]
    done = "leave(status='ok', summary='by the cell'); tell('done', status='ok')"
    assert run(done, display=Display(Screen()), trackers=names).status == "ok"
    assert run("sys.exit(3)", display=Display(Screen()), trackers=names).status == "crashed"
    said = capsys.readouterr().out
    assert "warning: tracker 'loud:Loud' has not taken the record" in said
    assert "RuntimeError: ok by the cell" in said
    assert "RuntimeError: crashed" in said


def test_what_goes_wrong_after_the_record_was_left_changes_nothing(run: Run, tmp_path: Path) -> None:
    """A library's exit that fails, threads and processes that do not end."""
    start = time.monotonic()
    assert run("leave(status='ok'); tell('done'); os.kill(os.getpid(), signal.SIGSEGV)").status == "ok"
    assert run("start(); leave(status='ok'); tell('done'); time.sleep(600)").status == "ok"
    assert gone(tmp_path)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("earlier", [False, True])
def test_a_cell_that_ends_well_without_a_record_has_crashed(run: Run, earlier: bool) -> None:
    if earlier:  # a record of an earlier run is not this run's
        run("leave(status='ok'); tell('done')")
    record = run("os._exit(0)")
    assert (record.status, record.error) == ("crashed", "ended with status 0 before it left a record")
    record = run("print('a word', file=sys.stderr)")
    assert record.error == "ended with status 0 before it left a record: a word"


def test_whoever_holds_the_pipe_of_a_cell_that_ended_is_ended_too(run: Run, tmp_path: Path) -> None:
    start = time.monotonic()
    record = run("start(); print('first\\nlast', file=sys.stderr); sys.exit(3)")
    assert (record.status, record.error) == ("crashed", "exit status 3: last")
    assert time.monotonic() - start < 60
    assert gone(tmp_path)


def test_a_process_that_left_the_group_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    """It holds the pipe, and nobody can end it by the group."""
    start = time.monotonic()
    away = "subprocess.Popen(['sleep', '300'], start_new_session=True).pid"
    record = run(f"open(folder + '/child', 'w').write(str({away})); tell('phase', name='x', done=0, total=0)")
    assert record.status == "crashed"
    assert time.monotonic() - start < 60
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_a_time_limit_ends_all_that_the_cell_started(run: Run, tmp_path: Path) -> None:
    record = run("signal.signal(signal.SIGTERM, signal.SIG_IGN); start(); time.sleep(600)", timeout=2.0)
    assert (record.status, record.error) == ("timeout", "exceeded its time limit of 2 s")
    assert gone(tmp_path)


def test_a_cell_that_tells_and_tells_meets_its_limit_too(run: Run) -> None:
    talks = "while True: tell('phase', name='x', done=0, total=1)"
    assert run(talks, timeout=2.0).status == "timeout"


def test_ctrl_c_ends_all_that_the_cell_started(run: Run, cell: Planned, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("start(); tell('phase', name='x', done=0, total=0); time.sleep(600)", display=Stops(quiet()))
    assert gone(tmp_path)
    assert [read_record(path).status for path in (tmp_path / "records").iterdir()] == ["interrupted"]


@pytest.mark.parametrize(("word", "status"), [("done", "ok"), ("still at work", "interrupted")])
def test_ctrl_c_while_a_cell_ends_takes_no_record_away(run: Run, tmp_path: Path, word: str, status: str) -> None:
    """The record is there, and the process is on its way out, or just about to say so."""
    left = "leave(status='ok'); " if word == "done" else ""
    with pytest.raises(KeyboardInterrupt):
        run(f"{left}tell('phase', name='x', done=0, total=0); time.sleep(600)", display=Stops(quiet()))
    assert [read_record(path).status for path in (tmp_path / "records").iterdir()] == [status]


def test_ctrl_c_keeps_no_record_of_an_earlier_run(run: Run, tmp_path: Path) -> None:
    assert run("leave(status='ok'); tell('done')").status == "ok"
    with pytest.raises(KeyboardInterrupt):
        run("tell('phase', name='x', done=0, total=0); time.sleep(600)", display=Stops(quiet()))
    assert [read_record(path).status for path in (tmp_path / "records").iterdir()] == ["interrupted"]


MEET = """
open(os.path.join(folder, f"came-{record['cell']['seed']}"), "w").close()
while not all(os.path.exists(os.path.join(folder, f"came-{seed}")) for seed in (0, 1)):
    time.sleep(.01)
"""


def test_cells_side_by_side_meet_and_say_so(run_two: Callable[..., list[Record]]) -> None:
    """One after another they would wait for ever."""
    end = "leave(status='ok', summary=str(job['repeat_disturbed'])); tell('done')"
    records = run_two(f"{MEET}\n{end}")
    assert sorted(record.cell.seed for record in records) == [0, 1]
    assert [(record.status, record.beside, record.summary) for record in records] == [("ok", 1, "0")] * 2


def test_what_one_cell_raises_ends_the_others(run_two: Callable[..., list[Record]], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_two(f"{MEET}\ntell('phase', name='x', done=0, total=0); time.sleep(600)", Stops(quiet()))
    assert [read_record(path).status for path in (tmp_path / "records").iterdir()] == ["interrupted"] * 2


def test_ctrl_c_between_two_results_ends_the_cells_that_still_run(
    run_two: Callable[..., list[Record]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the first record is told on, in the thread that takes the results."""
    monkeypatch.setattr(local.Told, "record", lambda *_: _ctrl_c({"event": "phase"}))
    end = "leave(status='ok'); tell('done')"
    with pytest.raises(KeyboardInterrupt):
        run_two(f"{MEET}\nif record['cell']['seed']: time.sleep(600)\n{end}")
    found = {each.cell.seed: each.status for each in map(read_record, (tmp_path / "records").iterdir())}
    assert found == {0: "ok", 1: "interrupted"}


def test_a_record_that_was_left_within_the_time_limit_stays(run: Run) -> None:
    assert run("leave(status='ok'); time.sleep(600)", timeout=3.0).status == "ok"


def test_a_killed_cell_is_out_of_memory_when_the_kernel_counted_a_kill(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = "os.kill(os.getpid(), signal.SIGKILL)"
    record = run(killed)
    assert (record.status, record.error) == ("crashed", "killed by SIGKILL")
    counts = iter([4, 5])
    monkeypatch.setattr("tpmebench.bench.running.local.out_of_memory_kills", lambda: next(counts))
    record = run(killed)
    assert (record.status, record.error) == ("oom", "killed by the kernel: memory ran out")


def test_the_cause_is_what_the_log_ends_with(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" * 20_000 + b"in the middle \xff\nTheError: at the end\n\n")
    assert what_became(1, log, False) == ("crashed", "exit status 1: TheError: at the end")
    assert what_became(1, log, True)[0] == "crashed"  # memory ran out for somebody else
    assert what_became(-signal.SIGSEGV, log, True) == ("crashed", "killed by SIGSEGV")
    assert what_became(-int(signal.SIGRTMIN) - 3, log, False) == (
        "crashed",
        f"killed by signal {int(signal.SIGRTMIN) + 3}",
    )
    log.write_text("")
    assert what_became(9, log, False) == ("crashed", "exit status 9")


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/user.slice/a\n", "user.slice/a/memory.events"),
        ("0::/of/the/host\n", "memory.events"),  # within a container, whose groups are mounted as the root
        ("8:pids:/\n4:cpu,memory:/docker/a:b\n0::/\n", "memory/docker/a:b/memory.oom_control"),
    ],
)
def test_kills_are_counted_by_the_cells_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, file: str
) -> None:
    for name, target in (("_MEMBERSHIP", "mine"), ("_SYSTEM", "vmstat"), ("_CGROUPS", "groups")):
        monkeypatch.setattr(kills, name, tmp_path / target)
    assert kills.out_of_memory_kills() is None
    (tmp_path / "vmstat").write_text("pgfault 5\noom_kill 2\noom_kill_other 9\n")
    assert kills.out_of_memory_kills() == 2
    (tmp_path / "mine").write_text(membership)
    assert kills.out_of_memory_kills() == 2
    counted = tmp_path / "groups" / file
    counted.parent.mkdir(parents=True)
    counted.write_text("oom 9\noom_kill 7\noom_group_kill 0\n")
    assert kills.out_of_memory_kills() == 7


def test_a_record_that_cannot_be_read_makes_room_for_a_new_one(run: Run, tmp_path: Path) -> None:
    """The error's remedy would be to remove it; a folder, or a record of a newer version, is kept."""
    path = record_path(tmp_path, run("leave(status='ok'); tell('done')").cell_id)
    newer = path.read_text().replace('"schema_version": 2', '"schema_version": 99')
    for number, damage in enumerate(("", "[]", "{", "\xff", newer, None), 1):
        path.unlink()
        if damage is None:
            path.mkdir()
        else:
            path.write_bytes(damage.encode("latin-1"))
        record = run("leave(status='ok'); tell('done')")
        assert record.status == "ok"
        (warning,) = record.warnings
        assert f"records/{path.name}" in warning and str(tmp_path) not in warning
        assert path.with_name(f"{path.name}.unusable-{number}").exists()
