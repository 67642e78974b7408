"""Bad input: one line that names the culprit and the remedy, status 2, no traceback, nothing half-written."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.bench.cli import main
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.errors import BenchError
from tpmebench.reports.reading import load_records

Refused = Callable[..., str]
Dataset = Callable[..., Path]


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, cache: Path
) -> Refused:
    """Runs the command in this process and returns its one-line error, once all that must hold of it does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TPMEBENCH_CACHE", str(cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        errors = capsys.readouterr().err
        assert ended.value.code == 2
        assert errors.startswith("bench: ")
        assert errors.count("\n") == 1
        left = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()}
        assert not [name for name in left if not name.endswith((".lock", ".log"))]
        return errors

    return run


def has(message: str, *words: str | Path) -> bool:
    """Whether a message names all of these."""
    return all(str(word) in message for word in words)


def edit(file: Path, before: str, after: str) -> None:
    """Plants one mistake in a file."""
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def fault(folder: Path) -> str:
    """What a dataset's reader says of its mistake."""
    with pytest.raises(BenchError) as caught:
        load_dataset(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--methods", "lroa"], ["unknown method 'lroa'", "did you mean 'lora'?"]),
        (["run", "--set", "options.lora.rank=4"], ["option of method 'lora' 'rank'", "choose from"]),
        (["run", "--set", "training.epoch=4"], ["--set training.epoch", "did you mean 'training.epochs'?"]),
        (["run", "--seeds", "0"], ["--seeds", "greater than or equal to 1"]),
        (["run", "--epochs", "0"], ["--epochs", "greater than or equal to 1"]),
        (["run", "--device", "tpu"], ["--device", "'auto', 'cpu' or 'cuda'", "got 'tpu'"]),
        (["run", "--weights", "none"], ["--weights", "'pretrained' or 'random'"]),
        (["run", "--dataset", "bazar"], ["unknown dataset 'bazar'", "did you mean 'bazaar'?"]),
        (["run", "--dataset", "no/such/folder"], ["no/such/folder: there is no such file", "dataset.toml"]),
        (["run", "--dataset", "iisan-release:nowhere"], ["nowhere"]),
        (["run", "--backbones", "micr"], ["unknown pair of backbones 'micr'", "did you mean 'micro'?"]),
        (["run", "--text-backbone", "./none"], ["unknown text backbone './none'", "a model folder"]),
        (["run", "no.toml"], ["no.toml: there is no such file", "correct the path"]),
        (["run", "dmo"], ["unknown study 'dmo'", "did you mean 'demo'?"]),
        (["report", "nowhere"], ["nowhere: no records here", "run a study with --out nowhere"]),
        (["run", "--out", ""], ["'--out': empty, where a path is needed"]),
        (["run", "--out", "n" * 400], ["'--out': no file can have such a name"]),
        (["report", "x", "--out", "a/" * 2001], ["'--out': no file can have such a name"]),
        (["report", "x", "n" * 400], ["'directories': no file can have such a name"]),
        (["check", "x", "--baseline", "n" * 400], ["'--baseline': no file can have such a name"]),
        (["compare", "x", "a\0b"], ["'second': no file can have such a name"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value[0] in {"run", "report", "check", "compare"} else "",
)
def test_a_mistake_on_the_command_line(refused: Refused, tmp_path: Path, arguments: list[str], words: list[str]):
    assert has(refused(*arguments), *words)
    assert not list(tmp_path.iterdir())


def test_a_misspelt_option_of_the_command(bench, tmp_path: Path):
    ended = bench("run", "--method", "lora", cwd=tmp_path)
    assert ended.returncode == 2
    assert has(ended.stderr, "No such option: --method", "--methods")
    assert "Traceback" not in ended.stderr


def test_a_mistake_in_a_study_file(refused: Refused, tmp_path: Path):
    study = tmp_path / "mine.toml"
    study.write_text('methods = ["lora"]\n[training]\nbatch_size = 8\n')
    assert has(refused("run", study), f"{study}, line 3", "'training.batch_size'", "did you mean 'training.batch'?")
    study.write_text('methods = ["lora"\n[training]\n')
    assert has(refused("run", study), study, "not valid TOML", "line 2")


def test_an_output_directory_that_is_a_file(refused: Refused, tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    assert has(refused("run", "--out", "taken"), "--out taken", "Not a directory", "name another directory")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_model_folder_without_weights(refused: Refused, towers: str, tmp_path: Path):
    text, image = map(Path, towers.split("+"))
    copy = tmp_path / "tower"
    copy.mkdir()
    (copy / "config.json").write_text((image / "config.json").read_text())
    assert has(refused("run", "--backbones", f"{text}+{copy}"), copy, "no .safetensors weights", "--weights random")


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("ratings.csv", "user,item,time", "user,thing,time", ["ratings.csv, line 1", "unknown column 'item'"]),
        ("dataset.toml", 'time = "time"', 'time = "tiem"', ["ratings.csv", "'tiem'", "did you mean 'time'?"]),
        ("dataset.toml", 'text = "title"', 'text = "titel"', ["items.csv", "'titel'", "did you mean 'title'?"]),
        ("dataset.toml", "pattern", "patern", ["dataset.toml", "'images.patern'", "did you mean 'images.pattern'?"]),
        ("dataset.toml", 'file = "items.csv"', 'file = "item.csv"', ["item.csv", "no such file", "correct the path"]),
        ("dataset.toml", 'folder = "pictures"', 'folder = "photos"', ["images.folder", "photos", "correct the path"]),
        ("dataset.toml", 'name = "shop"', "name = shop", ["dataset.toml", "TOML", "line 1"]),
        ("ratings.csv", "u0,i2,1001", "u0,i99,1001", ["ratings.csv, line 3", "item 'i99' is not in", "items.csv"]),
        ("ratings.csv", "u0,i2,1001", "u0,i2,soon", ["ratings.csv, line 3", "'soon'", "'time'", "no timestamp"]),
        ("ratings.csv", "u0,i2,1001", "u0,i2,", ["ratings.csv, line 3", "''", "no timestamp"]),
        ("ratings.csv", "u0,i2,1001", ",i2,1001", ["ratings.csv, line 3", "'user' is empty"]),
        ("ratings.csv", "u0,i2,1001", "u0,i2", ["ratings.csv, line 3", "2 fields, where the first line has 3"]),
        ("items.csv", "i3,", "i2,", ["items.csv", "item 'i2'", "another 'title'", "one row"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_in_data_of_ones_own(own_data: Dataset, file: str, before: str, after: str, words: list[str]):
    folder = own_data()
    edit(folder / file, before, after)
    assert has(fault(folder), *words)


def test_a_dataset_in_which_no_user_has_enough(own_data: Dataset):
    folder = own_data()
    rows = (folder / "ratings.csv").read_text().splitlines()
    kept = [row for row in rows if not re.search(r",100[3-9]$", row)]
    (folder / "ratings.csv").write_text("\n".join(kept) + "\n")
    assert has(fault(folder), folder, "no user has the 5 interactions", "at most 3", "longer histories")


def test_a_picture_that_cannot_be_decoded_counts_as_missing_and_is_named(
    own_data: Dataset, bench, towers: str, tmp_path: Path
):
    folder = own_data()
    (folder / "pictures" / "i4.png").write_bytes(b"no picture")
    study = ["--methods", "fft,popularity", "--dataset", folder, "--backbones", towers, "--epochs", "1"]
    ended = bench("run", *study, "--set", "references=false", "--out", "out", cwd=tmp_path)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    assert "i4.png" in ended.stdout + ended.stderr
    records = load_records(tmp_path / "out")
    assert {record.cell.method: record.status for record in records} == {"fft": "ok", "popularity": "ok"}
    assert all("i4.png" in str(record.dataset["first bad pictures"]) for record in records)
