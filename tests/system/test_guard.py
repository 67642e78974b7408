"""The guard as a build runs it: `bench run ci` and `bench check` notice a method that became slower."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

METHOD = """
import time

from tpmebench.methods.embedded.bitfit import BitFit

PAUSE = {pause}


class Slow(BitFit):
    '''BitFit with a pause in every step.'''

    name = "slow"

    def item_encoder(self, backbones, width):
        encoder = super().item_encoder(backbones, width)
        encoder.register_forward_pre_hook(lambda module, inputs: time.sleep(PAUSE if module.training else 0.0))
        return encoder
"""

# Seconds that the planted step sleeps: far more than a loaded machine makes of a step of milliseconds.
PAUSE = 0.4
STUDY = (
    *("run", "ci", "--methods", "fft,./own.py:Slow", "--dataset", "bazaar:items=100,users=32", "--strict"),
    *("--set", "references=false", "--set", "training.batch=16", "--set", "repeat_disturbed=0", "--epochs", "4"),
    *("--modalities", "text"),
)


@pytest.fixture(scope="module")
def checked(bench, tmp_path_factory):
    """A folder with a run of the method without a pause, `first`, its baseline, and a run with the pause, `slow`."""
    folder = tmp_path_factory.mktemp("guard")
    for name, pause in (("first", 0.0), ("slow", PAUSE)):
        (folder / "own.py").write_text(METHOD.format(pause=pause))
        done = bench(*STUDY, "--out", name, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    # Every epoch counts, so that the tests hold on a machine with other work.
    made = bench("check", "first", "--baseline", "costs.json", "--update", "--disturbed", cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder


def check(bench, folder: Path, run: str, *options: str, **environment: str):
    return bench("check", run, "--baseline", "costs.json", "--disturbed", *options, cwd=folder, **environment)


@pytest.fixture(scope="module")
def findings(bench, checked):
    """What the check finds of the run with the pause."""
    done = check(bench, checked, "slow", "--format", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    return json.loads(done.stdout)["findings"]


def test_a_slow_down_of_every_step_is_caught(findings):
    failed = [finding for finding in findings if finding["fails"]]
    assert [finding["number"] for finding in failed] == ["time / fft"]
    assert "Slow" in failed[0]["case"]
    assert failed[0]["change"] > 1


def test_exact_numbers_hold_and_each_method_has_its_row(bench, checked, findings):
    done = check(bench, checked, "first")
    assert done.returncode == 0
    for line in ("fft", "Slow"):
        assert any(line in row and "held" in row for row in done.stdout.splitlines()), done.stdout
    exact = [finding for finding in findings if not finding["number"].startswith("time")]
    assert {finding["verdict"] for finding in exact} == {"same"}


def test_the_committed_plan_holds(bench, tmp_path):
    baseline = Path(__file__).parents[2] / "baselines" / "plan.json"
    done = bench(
        "check", "--plan", "--methods", "iisan-cached", "--baseline", baseline, "--format", "json", cwd=tmp_path
    )
    found = json.loads(done.stdout)["findings"]
    own = [finding for finding in found if finding["case"] == "iisan-cached"]
    assert len(own) >= 8, done.stderr
    assert {finding["verdict"] for finding in own} == {"same"}


def test_the_log_holds_the_table_and_github_its_annotations_and_summary(bench, checked, tmp_path):
    summary = tmp_path / "summary.md"
    done = check(bench, checked, "slow", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert "time / fft" in done.stdout
    assert "::" not in done.stdout
    [line] = [line for line in done.stderr.splitlines() if line.startswith("::error ")]
    assert "time / fft worse::" in line
    assert summary.read_text().count("| worse |") == 1


def test_junit_is_what_a_server_of_builds_reads(bench, checked):
    done = check(bench, checked, "slow", "--format", "junit")
    root = ElementTree.fromstring(done.stdout)
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == ["time / fft"]


def test_compare_fails_a_build_when_asked(bench, checked, tmp_path):
    assert bench("compare", "first", "first", "--fail-on", "worse", cwd=checked).returncode == 0
    more = shutil.copytree(checked / "first", tmp_path / "more")
    for record in (more / "records").glob("*.json"):
        content = json.loads(record.read_text())
        content["parameters"]["trainable"] += 1
        record.write_text(json.dumps(content))
    assert bench("compare", "first", more, cwd=checked).returncode == 0
    done = bench("compare", "first", more, "--fail-on", "worse", "--format", "markdown", cwd=checked)
    assert done.returncode == 1
    assert "| trainable parameters |" in done.stdout
