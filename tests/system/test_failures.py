"""What becomes of cells that fail: each keeps a row with its status and cause, and the others run.

The failing methods stand in `planted.py`, written beside the study: a recommender by ID whose training goes wrong in
one way each. Every one of them really meets what it is named after: a limit of the system, a signal, a number.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Record, ranks_path

PLANTED = '''
import os, resource, signal, time
from pathlib import Path
import torch
from tpmebench.methods.references.sasrec_id import IDEncoder, SASRecID
from tpmebench.methods.registry import register

BEFORE_EPOCHS, STEPS = 10, 13  # steps of metering and warm-up (at most), and of an epoch: 200 users in batches of 16


class Encoder(IDEncoder):
    """Calls `fault` at the training step that the method names."""

    def __init__(self, items, width, method):
        super().__init__(items, width)
        self.method, self.calls = method, 0

    def forward(self, inputs):
        output = super().forward(inputs)
        if self.training and torch.is_grad_enabled():
            self.calls += 1
            if self.calls > self.method.after:
                return self.method.fault(output)
        return output


class Planted(SASRecID):
    after = BEFORE_EPOCHS

    def item_encoder(self, backbones, width):
        return Encoder(backbones.items, width, self)

    def fault(self, output):
        return output


class Fine(Planted):
    """Nothing goes wrong."""


class Raises(Planted):
    """Raises in the middle of training, unless it has been mended."""

    def fault(self, output):
        if os.environ.get("MENDED"):
            return output
        raise ValueError("planted fault\\nwith a second line")


class Diverges(Planted):
    """Its loss turns NaN."""

    def fault(self, output):
        return output * float("nan")


class Hoards(Planted):
    """Asks for more memory than the process may have."""

    def fault(self, output):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (256 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return output + torch.zeros(1 << 28).sum()


class Dies(Planted):
    """Is killed in the middle of its second epoch, but only the first time."""

    after = BEFORE_EPOCHS + STEPS + 6

    def fault(self, output):
        mark = Path(os.environ["DIED"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return output


class Fills(Planted):
    """Meets a full disk: from here on no file may grow beyond what a log needs."""

    def fault(self, output):
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        return output


class Sleeps(Planted):
    """Never ends, and neither does what it starts."""

    def fault(self, output):
        os.fork()
        time.sleep(600)


class Leaves(Planted):
    """Ends as if all were well."""

    def fault(self, output):
        os._exit(0)


class Forgets(Planted):
    """Gives its parameters no learning rate."""

    def learning_rates(self, encoder):
        rates = super().learning_rates(encoder)
        rates.groups.clear()
        return rates
'''
SHADOW = "raise ImportError('a module of the working directory stands before a library')\n"
NAMES = ("Raises", "Diverges", "Hoards", "Dies", "Fills", "Leaves", "Forgets", "Fine")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory: the planted methods are imported from it, and modules named like libraries are not."""
    home = tmp_path_factory.mktemp("home")
    for library in ("numpy", "random", "torch", "typing"):
        (home / f"{library}.py").write_text(SHADOW)
    (home / "planted.py").write_text(PLANTED)
    return home


def arguments(*names: str, out: str) -> list[str]:
    study = ["--dataset", "bazaar:items=1000,users=200", "--epochs", "3"]
    settings = ["training.batch=16", "references=false", "checkpoint_seconds=0", "modalities=text"]
    return [
        "run",
        *("--methods", ",".join(f"planted:{name}" for name in names)),
        *study,
        *(part for setting in settings for part in ("--set", setting)),
        *("--out", out),
    ]


def by_name(directory: Path) -> dict[str, Record]:
    return {record.cell.method.split(":")[1]: record for record in load_records(directory)}


@pytest.fixture(scope="module")
def failed(home: Path, bench_afresh) -> subprocess.CompletedProcess[str]:
    """A study of which all cells but the last fail."""
    return bench_afresh(*arguments(*NAMES, out="failed"), cwd=home, DIED=str(home / "died"))


def test_a_study_with_failed_cells_still_ends_and_keeps_every_row(failed, home: Path):
    assert failed.returncode == 0, failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert list(by_name(home / "failed")) == list(NAMES)
    report = (home / "failed" / "report.md").read_text()
    assert all(f"planted:{name}" in report for name in NAMES)


def test_each_failed_row_names_its_log(failed, home: Path):
    report = (home / "failed" / "report.md").read_text()
    for name, record in by_name(home / "failed").items():
        log = Path("failed") / "logs" / f"{record.cell_id}.log"
        assert (f"[log: {log}]" in failed.stdout) == (name != "Fine")
        assert (f"| logs/{record.cell_id}.log |" in report) == (name != "Fine")
        assert (home / log).exists()
    forgot = by_name(home / "failed")["Forgets"].cell_id
    assert "in make_optimiser" in (home / "failed" / "logs" / f"{forgot}.log").read_text()


def test_a_study_of_which_every_cell_fails_ends_in_a_report_of_the_causes(home: Path, bench):
    ended = bench(*arguments("Forgets", "Leaves", out="none"), cwd=home)
    assert ended.returncode == 0, ended.stderr
    assert all(record.error and record.status != "ok" for record in load_records(home / "none"))
    report = (home / "none" / "report.md").read_text()
    assert "learning\\_rates covers 0 parameters" in report
    assert "ended with status 0 before it left a record" in report


@pytest.mark.parametrize(
    ("name", "status", "cause"),
    [
        ("Raises", "crashed", "ValueError: planted fault"),
        ("Diverges", "diverged", "the loss of epoch 1 is nan"),
        ("Hoards", "oom", "can't allocate memory"),
        ("Dies", "crashed", "killed by SIGKILL"),
        ("Fills", "crashed", "File too large"),
        ("Leaves", "crashed", "ended with status 0 before it left a record"),
        ("Forgets", "refused", "learning_rates covers 0 parameters"),
        ("Fine", "ok", None),
    ],
)
def test_each_failure_has_its_status_and_a_cause_of_one_line(
    failed, home: Path, name: str, status: str, cause: str | None
):
    record = by_name(home / "failed")[name]
    assert record.status == status, record.error
    assert (cause in record.error and "\n" not in record.error) if cause and record.error else record.error is cause
    assert (record.accuracy is not None) == (status == "ok")
    assert ranks_path(home / "failed", record.cell_id).exists() == (status == "ok")


def test_no_file_is_half_written(failed, home: Path):
    files = [path for path in (home / "failed").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".tmp"]
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text())


def test_a_failed_cell_is_not_run_again_unasked(failed, home: Path, bench):
    ended = bench(*arguments(*NAMES, out="failed"), "--dry-run", cwd=home)
    states = re.findall(r"^ [0-9a-f]{16} +planted:(\w+) .* (\w+) *$", ended.stdout, re.MULTILINE)
    assert [state for _, state in states] == [
        "crashed",
        "diverged",
        "oom",
        "crashed",
        "crashed",
        "crashed",
        "refused",
        "ok",
    ]


def test_a_dry_run_says_which_failed_cells_would_run_again(failed, home: Path, bench):
    flags = ("--only-failed", "--dry-run")
    ended = bench(*arguments("Raises", "Fine", "Planted", out="failed"), *flags, cwd=home)
    states = re.findall(r"^ [0-9a-f]{16} +planted:(\w+) .*?(\w+, to run|left out|\w+) *$", ended.stdout, re.MULTILINE)
    assert dict(states) == {"Raises": "crashed, to run", "Fine": "ok", "Planted": "left out"}


@pytest.fixture(scope="module")
def again(failed, home: Path, bench) -> dict[str, Record]:
    """The study's records once two of its failed cells ran again: one mended, one killed half-way before."""
    command = [*arguments("Raises", "Dies", "Fine", out="failed"), "--only-failed"]
    ended = bench(*command, cwd=home, DIED=str(home / "died"), MENDED="1")
    assert "3 cells, 2 to run" in ended.stdout, ended.stderr
    return by_name(home / "failed")


def test_a_failed_cell_that_runs_again_replaces_its_row(again: dict[str, Record]):
    assert again["Raises"].status == "ok"
    assert again["Diverges"].status == "diverged"
    assert len(again) == len(NAMES)


def test_a_killed_cell_goes_on_from_its_checkpoint_to_the_result_of_an_undisturbed_one(again, home: Path):
    """`Fine` is the same network with the same seed, never disturbed."""
    resumed, whole = again["Dies"], again["Fine"]
    assert [epoch.resumed for epoch in resumed.time.epochs] == [False, True, False]
    assert not any(epoch.resumed for epoch in whole.time.epochs)
    assert [epoch.loss for epoch in resumed.time.epochs] == [epoch.loss for epoch in whole.time.epochs]
    first, second = (ranks_path(home / "failed", record.cell_id).read_bytes() for record in (resumed, whole))
    assert first == second
    checkpoints = {path.name for path in (home / "failed" / "checkpoints").iterdir()}
    assert not [name for name in checkpoints if name.startswith((resumed.cell_id, whole.cell_id))]


def test_a_full_disk_ends_the_study_with_one_line_and_leaves_no_half_of_a_record(home: Path, settings: dict[str, str]):
    """A limit on the size of files stands for the disk; neither the cell nor the harness can write a record."""
    command = shlex.join(["bench", *arguments("Fine", out="full")])
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -f 1; exec {Path(sys.executable).parent}/{command}"],
        cwd=home,
        env=os.environ | settings | {"PYTHONDONTWRITEBYTECODE": "1"},  # the other tests' would be cut short, too
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert re.fullmatch(r"bench: full: no record can be written \(File too large\); make room .*\n", ended.stderr)
    assert not list((home / "full" / "records").iterdir())


def test_a_cell_that_exceeds_its_time_limit_is_ended(home: Path, bench):
    ended = bench(*arguments("Sleeps", out="slow"), "--set", "timeout=2", cwd=home)
    assert ended.returncode == 0, ended.stderr
    [record] = load_records(home / "slow")
    assert (record.status, record.error) == ("timeout", "exceeded its time limit of 2 s")


def test_when_the_harness_is_killed_its_cell_ends_too_and_leaves_no_record(home: Path, bench_started):
    process = bench_started(*arguments("Sleeps", out="orphan"), cwd=home)
    wait_for_work(process)
    cells = children(process.pid)
    assert cells
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{cell}").exists() for cell in cells) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [cell for cell in cells if Path(f"/proc/{cell}").exists()]
    assert not list((home / "orphan" / "records").glob("*"))


def wait_for_work(process: subprocess.Popen[str]) -> None:
    """Reads what the command prints until its cell is at work."""
    assert process.stdout is not None
    assert any("measuring" in line for line in process.stdout), process.communicate()


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
