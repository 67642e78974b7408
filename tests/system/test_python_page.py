"""The code blocks of `docs/python.md` run one after the other, as a user's script would, and the first is ten lines."""

import re
from pathlib import Path

import pytest

from tpmebench.methods import registry

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_block_runs_after_those_before_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    undrawn: None,
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry._registry, "_classes", dict(registry.methods()))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    names: dict[str, object] = {"__name__": "page"}
    said = []
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"block {number}", "exec"), names)
        said.append(capsys.readouterr().out)
    shown = said[0]
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
    front = shown.splitlines()[-4:]
    assert "HR@10" in shown and any("iisan-cached" in line for line in front), shown
    assert "did you mean 'lora'?" in "".join(said)
    assert (tmp_path / "reports" / "first" / "report.csv").is_file()
