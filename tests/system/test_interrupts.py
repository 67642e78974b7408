"""Ctrl-C, whatever a study is at: one line or none, no process left behind, and the same command goes on from there."""

import signal
import subprocess
import time
from pathlib import Path

import psutil

from tpmebench.reports.reading import load_records

# A recommender by ID that waits at the stage that STOP names, and touches MARK when it is there.
WAITING = '''
import atexit, os, sys, time
from pathlib import Path
from tpmebench.methods.references.sasrec_id import IDEncoder, SASRecID

HARNESS = Path(sys.argv[0]).name == "bench"


def at(stage):
    if os.environ.get("STOP") == stage:
        Path(os.environ["MARK"]).touch()
        time.sleep(600)


class Encoder(IDEncoder):
    def forward(self, inputs):
        if not self.training:
            at("ranking")
        return super().forward(inputs)


class Waits(SASRecID):
    """Waits."""

    def item_encoder(self, backbones, width):
        return Encoder(backbones.items, width)


if HARNESS:
    at("planning")
else:
    atexit.register(at, "ending")
'''
STAGES = {"planning": 0, "ranking": 0, "ending": 1}
"""How many cells are done when the study is stopped there, each stop going on from the one before."""


def test_a_study_that_is_interrupted_wherever_it_is_goes_on_from_there(bench, bench_started, tmp_path: Path):
    (tmp_path / "waiting.py").write_text(WAITING)
    command = ["run", "--methods", "waiting:Waits", "--dataset", "bazaar:items=60,users=40", "--epochs", "2"]
    command += ["--set", "references=false", "--set", "modalities=text", "--out", "out"]
    for stage, done in STAGES.items():
        mark = tmp_path / stage
        process = bench_started(*command, cwd=tmp_path, STOP=stage, MARK=str(mark))
        wait_for(mark, process)
        cells = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        assert (process.returncode, errors.strip()) == (130, ""), (stage, said)
        assert ("goes on from here" in said) is (stage != "planning"), stage
        left = load_records(tmp_path / "out") if (tmp_path / "out" / "records").exists() else []
        assert sum(record.status == "ok" for record in left) == done, stage
        rows = {"planning": [], "ranking": ["interrupted"], "ending": ["ok"]}
        assert [record.status for record in left] == rows[stage]
        if stage == "ranking":
            assert "interrupted" in (tmp_path / "out" / "report.md").read_text()
        assert not list((tmp_path / "out").rglob("*.tmp")), stage
        assert not psutil.wait_procs(cells, timeout=10)[1], f"{stage}: a process was left behind"
    assert (tmp_path / "out" / "report.html").exists()
    assert "0 of 1 cell would run" in bench(*command, "--dry-run", cwd=tmp_path).stdout


def wait_for(mark: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not mark.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.02)
