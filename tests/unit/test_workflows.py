"""The workflows: actions pinned by commit, few permissions, and commands that work where the file is copied to."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tpmebench.bench.cli import app

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# What the comment at the head of the file says to change.
COPIED = {
    "suite": "tpme-bench @ git+https://github.com/someone/suite@v0.1.0",
    "own": ".",
    "methods": "fft,my_package.my_module:MyMethod",
    "baseline": "efficiency.json",
}


def content(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def said(script: str, environment: dict[str, str]) -> list[list[str]]:
    """The commands that a step's script would run, one list of words each."""
    shell = 'pip() { printf "%s\\0" pip "$@"; echo; }; bench() { printf "%s\\0" bench "$@"; echo; }\n'
    done = subprocess.run(["bash", "-euc", shell + script], env=environment, capture_output=True, text=True, check=True)
    return [line.rstrip("\0").split("\0") for line in done.stdout.splitlines()]


def efficiency(job: str = "costs", **environment: str) -> list[list[str]]:
    workflow = content(FOLDER / "efficiency.yml")
    steps = workflow["jobs"][job]["steps"]
    values = workflow["env"] | environment
    return [words for step in steps if "run" in step for words in said(step["run"], values)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit_with_their_tag_beside(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert used
    assert not [line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_may_read_and_nothing_else(file: Path) -> None:
    workflow = content(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job or "timeout-minutes" not in job]


@pytest.mark.parametrize("environment", [{}, COPIED], ids=["here", "copied"])
@pytest.mark.parametrize(("job", "used"), [("costs", ["run", "check"]), ("time", ["check"])])
def test_every_command_is_one_that_the_program_takes(job: str, used: list[str], environment: dict[str, str]) -> None:
    command: Any = typer.main.get_command(app)
    commands = [words[1:] for words in efficiency(job, **environment) if words[0] == "bench"]
    assert [words[0] for words in commands] == used
    for name, *words in commands:
        command.commands[name].make_context(name, list(words))


def test_elsewhere_the_suite_comes_from_its_repository_at_a_tag_and_torch_without_a_card() -> None:
    torch, packages, run, check = efficiency(**COPIED)
    assert torch == shlex.split("pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu")
    assert packages == ["pip", "install", COPIED["suite"], "."]
    assert "--strict" in run
    assert run[run.index("--methods") + 1] == COPIED["methods"]
    assert check[check.index("--baseline") + 1] == "efficiency.json"


def test_time_is_held_against_what_a_pull_request_is_merged_into_from_a_checkout() -> None:
    checkout = content(FOLDER / "efficiency.yml")["jobs"]["time"]["steps"][0]
    assert checkout["with"]["fetch-depth"] == 2, "the merge and its first parent"
    _, here, _ = efficiency("time")
    assert here == ["pip", "install", "--editable", "."], "of a copy nobody knows the commit"
    _, there, check = efficiency("time", **COPIED)
    assert there == ["pip", "install", COPIED["suite"], "."]
    assert check == ["bench", "check", "--against", "HEAD^1", "--methods", COPIED["methods"]]


def test_here_the_checkout_is_installed_and_the_study_runs_as_it_is() -> None:
    _, packages, run, check = efficiency()
    assert packages == ["pip", "install", "."]
    assert "--methods" not in run
    assert check[check.index("--baseline") + 1] == "baselines/demo.json"


def test_torch_is_the_version_that_everything_is_tested_with() -> None:
    pinned = re.search(r"^torch==(.*)$", (FOLDER.parents[1] / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"torch=={pinned[1]} " in (FOLDER / "efficiency.yml").read_text()


def test_the_comment_tells_what_the_test_changes() -> None:
    text = (FOLDER / "efficiency.yml").read_text()
    assert all(f"#     {name}: " in text for name in COPIED)
