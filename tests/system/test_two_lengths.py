"""A short run and then the whole one, into the same directory."""

import re
from pathlib import Path


def test_a_short_run_and_the_whole_one_are_two_rows_in_the_terminal_as_in_the_report(bench, tmp_path: Path) -> None:
    study = ["--dataset", "bazaar:items=200,users=80", "--methods", "sasrec-id", "--set", "references=false"]
    shown = ""
    for epochs in ("1", "2"):
        done = bench("run", *study, "--epochs", epochs, "--out", "study", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shown = done.stdout
    report = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    for row in ("sasrec-id (epochs=1)", "sasrec-id (epochs=2)"):
        [line] = re.findall(rf"^ *{re.escape(row)} .*$", shown, re.MULTILINE)
        first, *_ = re.findall(rf"^\| {re.escape(row)} .*$", report, re.MULTILINE)
        accuracy, *_ = re.findall(r"\b0\.\d{4}\b", line)  # T, below a second, looks alike
        assert re.findall(r"\b0\.\d{4}\b", first)[0] == accuracy
