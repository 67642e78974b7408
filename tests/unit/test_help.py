"""What the command says of itself: help by `-h`, examples that it takes, and the words that a shell may offer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_lines import accept, commands
from typer.testing import CliRunner

from tpmebench.bench.cli import app
from tpmebench.bench.commands import completion

COMMANDS = dict(commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_a_command_has_an_example_that_it_takes(words: str):
    shown = CliRunner().invoke(app, [*words.split()[1:], "-h"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0 and "For example:" in shown.output
    lines = COMMANDS[words].epilog.splitlines()[1:]
    examples = [line for line in lines if line]
    assert examples and all(line.startswith("bench ") for line in examples)
    assert any(line.startswith(words) for line in examples)
    assert all(line.split()[1] in shown.output for line in examples)
    for line in examples:
        accept(line)


@pytest.mark.parametrize("line", ["bench run --method lora", "bench shwo main", "bench new study", "bench run -x"])
def test_a_line_that_the_command_does_not_take_is_found(line: str):
    with pytest.raises(Exception, match=r"."):
        accept(line)


@pytest.mark.parametrize("group", [[], ["cache"], ["show"], ["new"]])
def test_a_group_of_commands_has_help_too(group: list[str]):
    assert CliRunner().invoke(app, [*group, "-h"]).exit_code == 0


def test_names_are_offered_by_their_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "more").mkdir()
    assert completion.study("ma") == ["main"]
    assert completion.study("m") == ["main", "methods", "modality", "movielens", "more/", "mine.toml"]
    assert completion.methods("iisan") == ["iisan", "iisan-cached"]
    assert completion.methods("fft,lora,ver") == [f"fft,lora,{name}" for name in ("versa", "versa-cached", "vera")]
    assert completion.dataset("ba") == ["bazaar"]
    assert completion.backbones("b") == ["bert-base+vit-base"]


@pytest.mark.parametrize(("line", "offered"), [("bench run ma", "main"), ("bench run --methods lora,bitf", "bitfit")])
def test_a_shell_asks_and_is_answered(tmp_path: Path, line: str, offered: str):
    """As bash does it, whose words end at no comma."""
    asked: dict[str, Any] = {
        "_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    ended = subprocess.run(
        [Path(sys.executable).with_name("bench")], cwd=tmp_path, env=os.environ | asked, capture_output=True, text=True
    )
    assert any(word.endswith(offered) for word in ended.stdout.split()), ended
