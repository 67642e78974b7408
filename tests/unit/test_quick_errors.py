"""A mistake that needs no torch to be seen is said before anything heavy is imported.

Half a second is what the imports of such an error take on a quiet machine; what repeats is which they are.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "peft", "pandas", "matplotlib", "scipy", "pyarrow")
MISTAKES = (
    "run --methods lorra",
    "run --methods fft,xlora",
    "run main --methods lora,lorra:r=4",
    "run --set options.lorra.r=4",
    "run --set trainin.batch=3",
    "run --set training.batch=none",
    "run mian",
    "run missing.toml",
    "run unreadable.toml",
    "run misspelt.toml",
    "run --dataset bazar",
    "run --dataset missing/shop",
    "run --dataset shop",
    "run --dataset shop/misspelt.toml",
    "run --backbones berd-base",
    "run --backbones bert-base+./missing",
    "run --text-backbone missing",
    "run --set task=sequental",
    "run --set trackers=mlfow",
    "run --set trackers=mlfow --dry-run",
    "run --sweep lorra.r=4,8",
    "run --rerun lorra",
    "run --rerun lora,lorra:r=4",
    "tune --methods lorra",
    "tune --set trackers=mlfow",
    "report missing",
    "compare missing missing",
    "check missing --baseline missing.json",
    "export 0123 folder",
    "recommend 0123 --history a",
    "show backbone missing",
    "list something",
)

_SCRIPT = f"""
import io, json, sys
from contextlib import redirect_stderr
from tpmebench.bench.cli import main
for line in {MISTAKES!r}:
    sys.argv, said = ["bench", *line.split()], io.StringIO()
    try:
        with redirect_stderr(said):
            main()
    except SystemExit as ended:
        loaded = [name for name in {HEAVY!r} if name in sys.modules]
        print(json.dumps([line, ended.code, loaded, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, list[str], str]]:
    """By mistake: the status, what was loaded by then, and what was said."""
    home = tmp_path_factory.mktemp("home")
    (home / "unreadable.toml").write_text("methods = [")
    (home / "misspelt.toml").write_text("method = ['lora']")
    (home / "shop").mkdir()
    (home / "shop" / "dataset.toml").write_text("[interactions")
    (home / "shop" / "misspelt.toml").write_text('nam = "shop"')
    ended = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=home, capture_output=True, text=True, check=True)
    return {line: (status, loaded, text) for line, status, loaded, text in map(json.loads, ended.stdout.splitlines())}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_waits_for_no_library(said: dict[str, tuple[int, list[str], str]], mistake: str):
    status, loaded, text = said[mistake]
    assert status == 2
    assert text.startswith("bench: ") and text.count("\n") == 1
    assert not loaded


def test_the_command_runs_as_a_module(tmp_path: Path):
    ended = subprocess.run(
        [sys.executable, "-m", "tpmebench", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("tpme-bench ")
