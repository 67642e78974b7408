"""The command from end to end: a small study run by real processes, its report, and what a second run does."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import tpmebench
from tpmebench.ownership import MARKER
from tpmebench.reports.reading import load_records

METHODS = ["lora", "iisan-cached"]
REFERENCES = ["popularity", "random", "content-knn", "sasrec-id"]
HEAVY = ["transformers", "peft", "pandas", "matplotlib", "scipy", "pyarrow"]


@dataclass(frozen=True)
class Ran:
    """A study that has been run: where, with which arguments, and what the command said."""

    home: Path
    arguments: list[str]
    ended: subprocess.CompletedProcess[str]

    @property
    def directory(self) -> Path:
        return self.home / "runs" / "small"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, bench_afresh, towers: str) -> Ran:
    home = tmp_path_factory.mktemp("home")
    text, image = towers.split("+")
    (home / "small.toml").write_text(
        f"methods = {json.dumps(METHODS)}\n"
        'datasets = ["bazaar:items=1000,users=100"]\n'
        f'text_backbone = "{text}"\nimage_backbone = "{image}"\n'
        "[training]\nepochs = 2\nbatch = 16\n"
    )
    arguments = ["run", "small.toml"]
    return Ran(home, arguments, bench_afresh(*arguments, cwd=home))


def test_version(bench_afresh, tmp_path: Path):
    ended = bench_afresh("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"tpme-bench {tpmebench.__version__}\n")


def test_without_arguments_the_command_shows_its_help(bench, tmp_path: Path):
    ended = bench(cwd=tmp_path)
    assert all(command in ended.stdout for command in ("run", "report", "list", "--version"))


def test_listing_methods_shows_each_and_does_not_wait_for_the_libraries_that_run_them(tmp_path: Path):
    script = (
        "import sys; sys.argv = ['bench', 'list', 'methods']\n"
        "from tpmebench.bench.cli import main\n"
        "try: main()\n"
        f"finally: print('loaded:', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in ended.stdout.splitlines() if re.match(r" [a-z]", line)}
    assert {"fft", "frozen", "frozen-cached", "bitfit", "adapter", *METHODS, "iisan", *REFERENCES} <= listed
    assert "loaded: []" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("datasets", ["bazaar", "stated", "folder", "iisan-release"]),
        ("backbones", ["micro", "bert-base+vit-base", "clip-b32"]),
    ],
)
def test_listing_datasets_and_backbones_shows_each(bench, tmp_path: Path, kind: str, names: list[str]):
    ended = bench("list", kind, cwd=tmp_path)
    assert ended.returncode == 0
    assert all(re.search(rf"^ {re.escape(name)} ", ended.stdout, re.MULTILINE) for name in names)


def test_a_study_ends_well_and_leaves_a_record_and_ranks_for_each_cell(study: Ran):
    assert study.ended.returncode == 0, study.ended.stderr
    records = load_records(study.directory)
    assert [record.cell.method for record in records] == [*METHODS, *REFERENCES]
    assert {record.status for record in records} == {"ok"}
    for record in records:
        assert record.accuracy is not None
        ranks = np.load(study.directory / "ranks" / f"{record.cell_id}.npy", allow_pickle=False)
        assert len(ranks) == record.accuracy.test.users
        assert record.accuracy.test.metrics["HR@10"] == np.mean(ranks <= 10)


def test_what_a_method_costs_is_in_its_record(study: Ran):
    records = {record.cell.method: record for record in load_records(study.directory)}
    for method in [*METHODS, "sasrec-id"]:
        record = records[method]
        assert record.parameters is not None and record.memory is not None and record.compute is not None
        assert 0 < record.parameters.trainable <= record.parameters.total
        assert record.memory.peak is not None and record.memory.peak > 4 * record.parameters.trainable
        assert record.compute.forward > 0 and record.compute.backward > 0
        assert len(record.time.epochs) == 2
        for epoch in record.time.epochs:
            assert 0 < epoch.data + epoch.forward + epoch.backward + epoch.update <= epoch.total * 1.001
    assert records["iisan-cached"].time.cache_build is not None
    assert records["lora"].time.cache_build is None


def test_the_report_has_every_row_no_empty_cell_and_all_its_pictures(study: Ran):
    report = (study.directory / "report.md").read_text()
    tables = [line for line in report.splitlines() if line.startswith("|")]
    for method in [*METHODS, *REFERENCES]:
        assert any(re.match(rf"\| *{method} *\|", line) for line in tables), method
    assert not [line for line in tables if re.search(r"\|\s*\|", line) or re.search(r"\bnan\b|\bNone\b", line)]
    pictures = re.findall(r"\]\(([^)]+\.png)\)", report)
    assert pictures
    assert all((study.directory / picture).stat().st_size > 1000 for picture in pictures)


def test_the_command_says_what_it_does_and_ends_with_the_table(study: Ran):
    said = study.ended.stdout
    assert "6 cells, 6 to run" in said
    assert "[1/6] lora" in said and "epoch 2/2" in said
    assert "report: runs/small/report.md" in said
    table = said[said.index("M (MiB)") :]
    assert all(method in table for method in METHODS)


def test_a_second_run_does_nothing_again(study: Ran, bench):
    before = {path: path.stat().st_mtime_ns for path in (study.directory / "records").iterdir()}
    ended = bench(*study.arguments, cwd=study.home)
    assert ended.returncode == 0
    assert "6 cells, 0 to run" in ended.stdout
    assert {path: path.stat().st_mtime_ns for path in (study.directory / "records").iterdir()} == before


def test_a_dry_run_tells_what_is_done_and_what_a_further_method_would_add(study: Ran, bench):
    before = sorted(study.directory.rglob("*"))
    ended = bench(*study.arguments, "--methods", "lora,iisan-cached,fft", "--dry-run", cwd=study.home)
    assert ended.returncode == 0
    rows = re.findall(r"^ [0-9a-f]{16} +(\S+) .* (ok|to run) *$", ended.stdout, re.MULTILINE)
    assert dict(rows) == {**dict.fromkeys([*METHODS, *REFERENCES], "ok"), "fft": "to run"}
    assert sorted(study.directory.rglob("*")) == before


def test_a_dry_run_of_a_new_study_makes_no_directory(bench, towers: str, tmp_path: Path):
    ended = bench("run", "--methods", "fft", "--backbones", towers, "--dry-run", cwd=tmp_path)
    assert ended.returncode == 0
    assert "to run" in ended.stdout
    assert not list(tmp_path.iterdir())


def test_a_report_is_written_again_elsewhere_and_in_other_formats(study: Ran, bench, tmp_path: Path):
    ended = bench("report", study.directory, "--format", "csv,tex", "--out", tmp_path / "again", cwd=study.home)
    assert ended.returncode == 0
    assert {path.name for path in (tmp_path / "again").iterdir()} == {
        *(MARKER, "report.csv", "records.csv", "report.tex", "tables", "pictures"),
    }
    assert str(tmp_path / "again" / "report.csv") in ended.stdout
