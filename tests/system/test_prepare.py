"""`bench data`: a folder that a kill leaves is gone on with, and a study runs on what was prepared."""

import subprocess
import time
from pathlib import Path

from tpmebench.files import file_digest


def digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in folder.iterdir()}


def wait_for(file: Path, size: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not (file.exists() and file.stat().st_size >= size):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


def test_a_kill_while_pictures_are_written_leaves_no_trace(bench, bench_started, tmp_path: Path) -> None:
    command = ("data", "prepare", "bazaar:items=400,users=500", "--out")
    process = bench_started(*command, tmp_path / "killed", cwd=tmp_path)
    wait_for(tmp_path / "killed" / ".pictures.bin.notes", 10_000, process)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / "card.json").exists()
    for name in ("killed", "whole"):
        done = bench(*command, tmp_path / name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"go on with: bench run --dataset {tmp_path / name}" in done.stdout
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")

    assert bench("data", "verify", "killed", cwd=tmp_path).stdout == "all is as it was written\n"
    said = bench("data", "info", "killed", "--sheet", "sheet.png", cwd=tmp_path)
    assert "leave-one-out: 500 users in training" in said.stdout and (tmp_path / "sheet.png").exists()
    again = bench(*command, tmp_path / "killed", cwd=tmp_path)
    assert "as it was: " in again.stdout


def test_a_study_runs_on_a_split_by_time_whose_periods_have_different_users(bench, own_data, tmp_path: Path) -> None:
    folder = own_data(users=12)
    rows = [f"u{user},i{(user + 2 * step) % 12},{1000 + 2 * user + step}" for user in range(12) for step in range(6)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,time", *rows]) + "\n")
    options = ("--split", "global-time", "--min-length", "3")
    done = bench("data", "prepare", folder, "--out", "by-time", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = ("--dataset", "by-time", "--methods", "popularity,random", "--modalities", "text", "--out", "run")
    done = bench("run", *run, "--set", "evaluation.evaluated_users=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "global-time" in (tmp_path / "run" / "report.md").read_text()
    (tmp_path / "by-time" / "users.parquet").write_bytes(b"PAR1")
    done = bench("data", "verify", "by-time", cwd=tmp_path)
    assert done.returncode == 1 and "users.parquet: 4 bytes" in done.stdout
    done = bench("run", *run, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "users.parquet" in done.stderr
