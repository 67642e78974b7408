"""`bench new` writes what runs as it is, and overwrites nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tpmebench import __version__
from tpmebench.bench.cli import app
from tpmebench.bench.study.grid import plan
from tpmebench.bench.study.study import read_study
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.errors import BenchError

WRITTEN = {"study": "my-first.toml", "dataset": "my-first/dataset.toml", "method": "my_first.py"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def new(kind: str, name: str = "my-first") -> str:
    ended = CliRunner().invoke(app, ["new", kind, name], catch_exceptions=False)
    assert ended.exit_code == 0
    return ended.output


@pytest.mark.parametrize("kind", WRITTEN)
def test_nothing_is_overwritten(kind: str, home: Path):
    assert new(kind).startswith(f"written: {WRITTEN[kind]}; go on with: bench run")
    file = home / WRITTEN[kind]
    file.write_text("mine")
    with pytest.raises(BenchError, match="it is there already"):
        new(kind)
    assert file.read_text() == "mine"
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(BenchError, match="it is there already"):
        new(kind)
    assert not (home / "nowhere").exists()


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("name", ["../x", "a/b", "", " ", ".", "a b", "a\nb", "-", "n" * 81, "商" * 30])
def test_a_name_is_no_path(kind: str, name: str, home: Path):
    with pytest.raises(BenchError, match="a name of letters"):
        CliRunner().invoke(app, ["new", kind, "--", name], catch_exceptions=False)
    assert not list(home.iterdir())


@pytest.mark.parametrize("name", ["3d", "class", "json", "numpy"])
def test_a_method_is_a_module_that_can_be_imported(name: str):
    with pytest.raises(BenchError, match=f"method '{name}'"):
        new("method", name)


def test_a_new_study_plans(home: Path):
    new("study")
    study = read_study("my-first.toml", {}, ["device=cpu"])
    assert (study.name, study.methods) == ("my-first", ["fft", "lora", "iisan-cached"])
    assert len(plan(study, home, __version__)) == 7


def test_a_new_description_reads_the_files_that_it_shows(home: Path):
    new("dataset")
    folder = home / "my-first"
    (folder / "pictures").mkdir()
    for item in range(6):
        Image.fromarray(np.full((8, 8, 3), item, np.uint8)).save(folder / "pictures" / f"b{item}.png")
    items = [f"b{item},A blue lamp" for item in range(6)]
    (folder / "items.csv").write_text("\n".join(["id,title", *items]))
    taken = [f"u{user},b{(user + step) % 6},{1700000000 + step}" for user in range(4) for step in range(5)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,time", *taken]))
    data = load_dataset("my-first", modalities="both", missing_images="error", max_length=10)
    assert (data.facts["users"], data.facts["items"], data.facts["missing images"]) == (4, 6, 0)
    shown = (folder / "dataset.toml").read_text()
    assert all(line in shown for line in ("user,item,time", "u1,b3,1700000000", "id,title", "b3,A blue lamp", "b3.png"))
