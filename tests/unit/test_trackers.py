"""Trackers: how one is named and found, what it is told, and that one which fails costs a study nothing."""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import ValidationError

from tpmebench import outside
from tpmebench.bench.commands.list import list_trackers
from tpmebench.bench.running.trackers import Told, find_tracker, trackers
from tpmebench.bench.study.study import Study, read_study
from tpmebench.errors import BenchError

LINES = '''
import json
import re
from pathlib import Path
from tpmebench.bench.running.trackers import Tracker


class Lines(Tracker):
    """A line a record."""

    def record(self, record):
        with Path("lines.jsonl").open("a") as file:
            file.write(json.dumps({"cell": record.cell_id, "status": record.status}) + "\\n")
        record.status = "crashed"


class Failing(Tracker):
    """Never gets it."""

    def record(self, record):
        raise SystemExit("no\\nserver")


class Broken(Tracker):
    """Does not begin."""

    def __init__(self):
        raise OSError("no disk")

    def record(self, record):
        raise AssertionError


class Half(Tracker):
    """Lacks its method."""
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tracker_of_mine.py").write_text(LINES)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("tracker_of_mine", None)


def test_one_that_fails_hinders_neither_the_others_nor_the_study(here, make_record) -> None:
    said: list[str] = []
    names = ["Failing", "Broken", "Lines"]
    told = Told([f"./tracker_of_mine.py:{name}" for name in names], said.append)
    assert said == ["tracker 'tracker_of_mine:Broken' cannot begin and is told of nothing: OSError: no disk"]
    records = [make_record("fft"), make_record("lora", status="oom")]
    for record in records:
        told.record(record)
    assert said[1:] == [
        f"tracker 'tracker_of_mine:Failing' has not taken the record {record.cell_id}: SystemExit: no server"
        for record in records
    ]
    lines = [json.loads(line) for line in (here / "lines.jsonl").read_text().splitlines()]
    assert lines == [{"cell": record.cell_id, "status": record.status} for record in records]
    assert [record.status for record in records] == ["ok", "oom"], "a tracker has changed a record of the study's"


def test_what_is_no_tracker_is_told_before_the_first_cell(here) -> None:
    with pytest.raises(BenchError, match=r"unknown tracker 'mlfow'.*'mlflow'"):
        Told(["mlfow"], print)
    with pytest.raises(BenchError, match=r"tracker 'tracker_of_mine:Half' is abstract: record"):
        Told(["./tracker_of_mine.py:Half"], print)
    with pytest.raises(BenchError, match=r"tracker 'tracker_of_mine:Path' is no subclass"):
        Told(["./tracker_of_mine.py:Path"], print)


def test_mlflow_that_is_not_installed_is_a_line_with_the_remedy(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(BenchError, match=r"pip install 'tpme-bench\[mlflow\]'"):
        Told(["mlflow"], print)


def test_packages_offer_trackers(here, monkeypatch) -> None:
    point = EntryPoint("lines", "tracker_of_mine:Lines", "tpmebench.trackers")
    monkeypatch.setattr(outside, "entry_points", lambda group: [point] if group == point.group else [])
    monkeypatch.syspath_prepend(here)
    assert find_tracker("lines").summary == "A line a record."
    assert {"mlflow", "lines"} <= set(trackers())
    assert list_trackers().row_count == len(trackers())


@pytest.mark.parametrize("setting", ["trackers=mlflow,./a.py:B", 'trackers=["mlflow", "./a.py:B"]'])
def test_a_study_names_them(setting: str) -> None:
    study = read_study(None, {}, [setting])
    assert study.trackers == ["mlflow", "./a.py:B"]
    assert Study().trackers == []
    with pytest.raises(ValidationError):
        Study(trackers=[""])


def test_a_shipped_note_stays_true_with_a_tracker() -> None:
    noted = read_study("ci", {}, [])
    assert noted.note
    assert read_study("ci", {}, ["trackers=mlflow"]).note == noted.note


def test_the_tracker_of_the_page_works(here, make_record) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ecosystem.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Lines" in block)
    (here / "tracker_of_mine.py").write_text(code)
    told = Told(["./tracker_of_mine.py:Lines"], pytest.fail)
    told.record(make_record("lora", seed=2))
    assert (here / "lines.txt").read_text() == "lora 2 ok\n"
