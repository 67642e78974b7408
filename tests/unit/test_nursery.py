"""Processes of the nursery, with a small module in the place of the worker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tpmebench.bench import nursery
from tpmebench.bench.nursery import Forked, Nursery, Program
from tpmebench.bench.running import cell_process
from tpmebench.bench.running.cell_process import Start

pytestmark = pytest.mark.skipif(not nursery.AVAILABLE, reason="needs Linux's fork")

CHILD = """
import atexit, json, os, pathlib, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from tpmebench.bench import nursery

def main(what, *arguments):
    return globals()[what](*arguments)

def facts(name):
    print(json.dumps({
        "argv": sys.argv, "read": sys.stdin.readline().strip(), "path": sys.path, "loaded": sorted(sys.modules),
        "group": os.getpgrp() == os.getpid(), "variable": os.environ.get(name), "threads": threading.active_count(),
        "child_signal": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    }), flush=True)
    print("to the log", file=sys.stderr)
    return 3

def fail():
    raise RuntimeError("on purpose")

def wait():
    print("begun", flush=True)
    time.sleep(600)

def again(what):
    code = nursery.start(nursery.Program(__name__, (what,), (0, 1, 2))).wait()
    print("it ended with", code, flush=True)
    return 0

def end(reason):
    atexit.register(print, "at the end")
    threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
    global kept
    kept = pathlib.Path(__file__).with_name("kept").open("w")
    kept.write("of a module")
    pool = ThreadPoolExecutor(1)
    pool.submit(print, "a pool").result()
    print("begun")
    raise SystemExit(int(reason) if reason.isdigit() else reason)

def later():
    print("begun", flush=True)
    while not (pathlib.Path(__file__).parent / "go on").exists():
        time.sleep(0.02)
    return again("say")

def say():
    print("a process of a process", flush=True)
"""


class Child:
    """A program of CHILD with its streams."""

    def __init__(self, place: Path, what: str, *arguments: str) -> None:
        self.place = place
        for name in ("in", "out", "log"):
            (place / name).touch()
        self._files = [(place / name).open(mode) for name, mode in (("in", "rb"), ("out", "ab"), ("log", "ab"))]
        stdin, stdout, stderr = (file.fileno() for file in self._files)
        self.program = Program("nursery_child", (what, *arguments), (stdin, stdout, stderr))

    def read(self, name: str = "out") -> str:
        return (self.place / name).read_text()

    def until(self, text: str) -> None:
        for _ in range(3000):
            if text in self.read():
                return
            time.sleep(0.02)
        raise AssertionError(self.read() + self.read("log"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "nursery_child.py").write_text(CHILD)
    start = Start(("json", "no_such_library"))
    yield start
    start.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "TOLD": "by the harness"}


def test_a_process_has_its_streams_arguments_variables_group_and_status(
    start: Start, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    child = Child(tmp_path, "facts", "TOLD")
    (tmp_path / "in").write_text("a job\n")
    assert start(child.program, environment).wait(60) == 3
    found = json.loads(child.read())
    assert found["argv"] == ["nursery_child", "facts", "TOLD"]
    assert (found["read"], found["variable"], found["threads"]) == ("a job", "by the harness", 1)
    assert found["group"] and found["child_signal"]
    assert "" not in found["path"], "the working directory must not stand before the libraries"
    assert child.read("log") == "to the log\n"


def test_what_the_nursery_has_not_imported_is_read_in_each_process(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    """A user's code is."""
    first, second = Child(tmp_path, "say"), Child(tmp_path, "say")
    assert start(first.program, environment).wait(60) == 0
    (tmp_path / "nursery_child.py").write_text(CHILD.replace("a process of a process", "edited since"))
    assert start(second.program, environment).wait(60) == 0
    assert second.read() == "a process of a process\nedited since\n"


def test_our_code_that_was_edited_opens_another_nursery(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was edited during a study is what the next cell runs, as its record's digest says."""
    (tmp_path / "nursery_child.py").write_text(CHILD)
    monkeypatch.setattr(cell_process, "code_state", lambda: nursery.code_state(tmp_path))
    with closing(Start(("nursery_child",))) as start:
        first, second = Child(tmp_path, "say"), Child(tmp_path, "say")
        assert start(first.program, environment).wait(60) == 0
        opened = start._nursery
        assert start(second.program, environment).wait(60) == 0
        assert start._nursery is opened
        (tmp_path / "nursery_child.py").write_text(CHILD.replace("a process of a process", "edited since"))
        assert start(second.program, environment).wait(60) == 0
    assert second.read().splitlines() == ["a process of a process"] * 2 + ["edited since"]


def test_the_state_of_our_code_changes_with_each_edit(tmp_path: Path) -> None:
    package = tmp_path / "datasets"
    package.mkdir()
    (tmp_path / "elsewhere").mkdir()
    states = {nursery.code_state(tmp_path)}
    for text in ("A = 1\n", "A = 10\n"):
        (package / "module.py").write_text(text)
        states.add(nursery.code_state(tmp_path))
    assert len(states) == 3
    (tmp_path / "elsewhere" / "module.py").touch()
    (package / "notes.txt").touch()
    (package / ".#module.py").symlink_to("somebody@somewhere")  # an editor's, where a file is being edited
    assert nursery.code_state(tmp_path) in states


def test_all_of_our_code_that_is_shared_is_watched(tmp_path: Path) -> None:
    code = (
        f"from {nursery.__name__} import *; import importlib, sys\n"
        "for name in OURS: importlib.import_module(name)\n"
        "print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('tpmebench')))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    for file in map(Path, done.stdout.split()):
        copy = tmp_path / file.resolve().relative_to(nursery._ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    before = nursery.code_state(tmp_path)
    for copy in tmp_path.rglob("*.py"):
        copy.write_text("edited = True\n")
        after = nursery.code_state(tmp_path)
        assert after != before, copy
        before = after


def test_a_cell_that_runs_still_starts_processes_when_another_nursery_was_opened(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    """Cells run side by side, and our code was edited, or the next cell has other variables."""
    first = Child(tmp_path, "later")
    process = start(first.program, environment)
    first.until("begun")
    assert start(Child(tmp_path, "say").program, environment | {"TOLD": "otherwise"}).wait(60) == 0
    (tmp_path / "go on").touch()
    assert process.wait(60) == 0
    assert first.read().splitlines()[-2:] == ["a process of a process", "it ended with 0"]


def test_our_code_starts_no_thread_and_reads_no_towers() -> None:
    """A pool of threads does not survive a fork; what numpy's libraries start, they start anew in the child."""
    code = (
        f"from {nursery.__name__} import *; import importlib, os, sys\n"
        "for name in LIBRARIES + TOWER_LIBRARIES: importlib.import_module(name)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "for name in OURS: importlib.import_module(name)\n"
        "print([name for name in sys.modules if name.startswith('tpmebench.methods.decoupled.')],"
        " len(os.listdir('/proc/self/task')) - before)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 0"


def test_a_process_ends_as_an_interpreter_does(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """Its threads have ended, what was to run at the end has run, what was printed has been written."""
    child = Child(tmp_path, "end", "0")
    assert start(child.program, environment).wait(60) == 0
    assert child.read().splitlines() == ["a pool", "begun", "a thread", "at the end"]
    assert child.read("kept") == "of a module", "what is still open is written"
    assert start(Child(tmp_path, "end", "a reason").program, environment).wait(60) == 1
    assert child.read("log") == "a reason\n"


def test_a_process_that_fails_leaves_its_traceback(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    child = Child(tmp_path, "fail")
    assert start(child.program, environment).wait(60) == 1
    assert child.read("log").endswith("RuntimeError: on purpose\n")
    unknown = Program("no_such_module", (), child.program.streams)
    assert start(unknown, environment).wait(60) == 1
    assert "No module named 'no_such_module'" in child.read("log")


def test_a_process_is_followed_and_killed(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    child = Child(tmp_path, "wait")
    process = start(child.program, environment)
    child.until("begun")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == process.poll() == -signal.SIGTERM


def test_a_process_starts_another_as_it_was_started(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    child = Child(tmp_path, "again", "say")
    assert start(child.program, environment).wait(60) == 0
    assert child.read() == "a process of a process\nit ended with 0\n"
    fresh = nursery.start_fresh(Program("json.tool", (), child.program.streams))
    assert fresh.wait(60) == 1  # nothing was given to it


def test_a_nursery_that_was_killed_is_opened_anew(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    child = Child(tmp_path, "say")
    assert start(child.program, environment).wait(60) == 0
    opened = start._nursery
    assert opened is not None and opened._process is not None
    opened._process.kill()
    opened._process.wait()
    assert start(child.program, environment).wait(60) == 0
    assert start._nursery is not opened


def test_other_variables_open_another(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """OpenMP reads how many threads it has when it is loaded."""
    child = Child(tmp_path, "facts", "TOLD")
    for told in ("first", "second"):
        assert start(child.program, environment | {"TOLD": told}).wait(60) == 3
    assert [json.loads(line)["variable"] for line in child.read().splitlines()] == ["first", "second"]


def test_a_nursery_that_ends_before_it_forks_is_told(tmp_path: Path) -> None:
    log = (tmp_path / "log").open("ab")
    broken = Nursery.open((), {**os.environ, "PYTHONPATH": "", "PYTHONHOME": str(tmp_path)}, log.fileno())
    child = Child(tmp_path, "say")
    process = broken.start(child.program)
    assert process.wait(60) == 1
    with pytest.raises(ProcessLookupError):
        assert process.pid
    assert child.read("log"), "the log says why"
    broken.close()


def test_a_keeper_that_was_killed_is_told(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    child = Child(tmp_path, "wait")
    process = start(child.program, environment)
    assert isinstance(process, Forked)
    status = Path(f"/proc/{process.pid}/stat").read_text()
    keeper = int(status.rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    os.killpg(process.pid, signal.SIGKILL)
