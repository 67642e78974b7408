"""The forms in which findings are shown: every number of every verdict, and text that cannot become anything else."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tpmebench.bench.github import add_to_summary, in_workflow
from tpmebench.bench.guard.findings import Finding, Outcome, Verdict
from tpmebench.errors import BenchError

NASTY = "a,b:c%d\r\n::error::<x>&|\x1b[31m\x00\ufffe"


def outcome(*findings: Finding, notes: tuple[str, ...] = ()) -> Outcome:
    return Outcome("a title", findings, ("worse", "failed", "missing"), notes)


WORSE = Finding("lora", "training memory", "worse", 2**20, 2**21, "bytes", 1.0, "tolerance 1%")
HELD = Finding("lora", "saved bytes", "same", 10, 10, "bytes", 0.0, "tolerance 0%")
TIMED = Finding("lora", "time / fft", "noise", 0.5, 0.51, "ratio", 0.02, "interval -1% … +5%", 0.2)
UNJUDGED = Finding("fft", "time", "not judged", why="a single cell")


def test_rows_begin_with_what_fails_and_have_one_for_what_held() -> None:
    rows = outcome(HELD, TIMED, WORSE, UNJUDGED).rows
    assert [(row.case, row.number, row.verdict) for row in rows] == [
        ("lora", "training memory", "worse"),
        ("lora", "2 of 3 numbers", "held"),
        ("fft", "time", "not judged"),
    ]
    assert rows[1].why == "time / fft 0.50 → 0.51 (+2.0%); interval -1% … +5%"


def test_the_table_shows_every_row() -> None:
    console = Console(width=160, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(outcome(WORSE, HELD, UNJUDGED).table())
    text = console.export_text()
    for word in ("a title", "training memory", "1 of 2 numbers", "a single cell"):
        assert word in text


def test_markdown_has_the_same_rows() -> None:
    page = outcome(WORSE, notes=("a note",)).markdown()
    assert "| lora | training memory | 1.00 MiB | 2.00 MiB | +100.0% | worse | tolerance 1% |" in page
    assert page.startswith("## a title")
    assert "\na note\n" in page


def test_json_has_every_number() -> None:
    content: dict[str, Any] = json.loads(outcome(WORSE, HELD, UNJUDGED, notes=("a note",)).render("json"))
    assert content["failed"] == 1
    assert [(one["number"], one["fails"]) for one in content["findings"]] == [
        ("training memory", True),
        ("saved bytes", False),
        ("time", False),
    ]
    assert content["findings"][0]["before"] == 2**20
    assert content["notes"] == ["a note"]


def test_junit_is_a_case_a_number() -> None:
    found = outcome(WORSE, HELD, UNJUDGED, notes=("a note",))
    root = ElementTree.fromstring(found.render("junit"))
    suites = {suite.get("name"): suite for suite in root}
    assert {key: suites["lora"].get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "skipped": "0",
    }
    assert suites["fft"].get("skipped") == "1"
    failure = suites["lora"].find("testcase[@name='training memory']/failure")
    assert failure is not None
    assert failure.get("message") == "1.00 MiB → 2.00 MiB (+100.0%); tolerance 1%"
    assert suites["fft"].find("testcase/skipped") is not None
    assert "a note" in "".join(root.itertext())


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_form_bears_hostile_text(verdict: Verdict) -> None:
    found = outcome(Finding(NASTY, NASTY, verdict, 1, 2, why=NASTY), notes=(NASTY,))
    root = ElementTree.fromstring(found.render("junit"))
    assert len(root.findall("testsuite/testcase")) == 1
    assert json.loads(found.render("json"))["findings"][0]["case"] == NASTY
    lines = found.annotations()
    assert len("\n".join(lines).splitlines()) == len(lines) <= 1
    for line in lines:
        _, properties, _ = re.fullmatch(r"::(error|warning|notice) title=([^,:\r\n]*)::([^\r\n]*)", line).groups()  # type: ignore[union-attr]
        assert not re.search(r"%(?!25|3A|2C|0A)", line)
        assert not re.search("[\\x00-\\x1f\\x7f]", properties)
    table_lines = [line for line in found.markdown().splitlines() if line.startswith("|")]
    assert len(table_lines) == (3 if found.rows else 0)


def test_annotations_name_failures_warnings_and_what_was_not_judged() -> None:
    warning = Finding("lora", "time / fft", "warning", 0.5, 1.0, "ratio", 1.0, "interval +80% … +120%")
    assert outcome(WORSE, warning, HELD, UNJUDGED).annotations() == [
        "::error title=lora%3A training memory worse::1.00 MiB → 2.00 MiB (+100.0%25); tolerance 1%25",
        "::warning title=lora%3A time / fft warning::0.50 → 1.00 (+100.0%25); interval +80%25 … +120%25",
        "::notice title=bench check%3A 1 numbers not judged::fft, time: a single cell",
    ]
    assert outcome(HELD).annotations() == []


def test_the_summary_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    add_to_summary("nowhere")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    add_to_summary("page")
    assert summary.read_text() == "before\npage\n"
    with summary.open("a") as file:  # a workflow that sends the command's output there itself
        monkeypatch.setattr(sys, "stdout", file)
        add_to_summary("page")
    assert summary.read_text() == "before\npage\n"
    monkeypatch.undo()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    with pytest.raises(BenchError, match="GITHUB_STEP_SUMMARY"):
        add_to_summary("page")
    os.mkfifo(tmp_path / "pipe")  # which nobody reads
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "pipe"))
    with pytest.raises(BenchError, match="GITHUB_STEP_SUMMARY"):
        add_to_summary("page")


def test_only_githubs_workflows_are_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert in_workflow()
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert not in_workflow()
