"""Files of the user's in every folder that the command can be pointed at: no command changes or removes one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.bench.cli import main
from tpmebench.methods.backbones.source import BackboneSource

FILES = ("report.md", "report.html", "pictures/tpme-parts.png", "study", "notes.txt", "records/mine.json", "logs/a.log")


def with_files(folder: Path) -> Path:
    """A folder with files of the user's under names that the command uses too."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine: {name}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, links as where they lead."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


@pytest.fixture
def small(own_data) -> list[str]:
    return [
        "--dataset",
        str(own_data()),
        "--modalities",
        "text",
        "--methods",
        "popularity",
        "--set",
        "references=false",
    ]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process and gives its status and what it said on standard error."""

    def run(*arguments: str | Path, cwd: Path, cache: Path = cache) -> tuple[int, str]:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("TPMEBENCH_CACHE", str(cache))
        monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def test_no_command_touches_what_it_did_not_make(command, small: list[str], tmp_path: Path):
    home = tmp_path / "home"
    for folder in ("thesis", "cache/features/login", "cache/images/holiday", "elsewhere/images/2024", "baselines"):
        with_files(home / folder)
    (home / "linked").mkdir()
    (home / "linked" / "images").symlink_to("../elsewhere/images", target_is_directory=True)
    pictures = tmp_path / "shop" / "pictures"
    before = {folder: contents(folder) for folder in (home, tmp_path / "shop")}
    refused = [
        command("run", *small, "--out", "thesis", cwd=home),
        command("run", *small, "--out", tmp_path / "shop", cwd=home),
        command("run", *small, "--out", pictures / "runs", "--dry-run", cwd=home),
        command("run", *small, "--modalities", "both", "--out", pictures / "runs", cwd=home),
        command("run", *small, "--out", "cache/runs", cwd=home, cache=home / "cache"),
    ]
    for status, errors in refused:
        assert (status, errors.count("\n")) == (2, 1), errors
        assert errors.startswith("bench: --out ")
    for folder in ("cache", "linked"):
        assert command("cache", "clear", cwd=home, cache=home / folder)[0] == 0
    done = tmp_path / "done"
    assert command("run", *small, "--out", done, cwd=home)[0] == 0
    assert command("report", done, "--out", "thesis", cwd=home)[0] == 2
    assert command("check", done, "--baseline", "baselines/notes.txt", "--update", cwd=home)[0] == 2
    assert {folder: contents(folder) for folder in before} == before


REFUSED = """
run {small} --out link
run {small} --out dangling
run {small} --out older
run {small} --out study/records
run {small} --out linked-study/logs/more
report study --out thesis --format md,html,tex,csv,parquet
report study --out link
report study --out shop/pictures
report study --out study/records/x.json
report study --out cache/x
report older
report thesis
check study --baseline thesis/report.md --update
check study --baseline thesis/records --update
check study --baseline dangling --update
check study --baseline study/records/x.json --update
check study --baseline cache/x.json --update
compare thesis study
"""


def test_results_may_stand_in_a_models_folder(command, small: list[str], towers: str, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(towers.partition("+")[0], model)
    before, fingerprint = contents(model), BackboneSource("text", str(model)).fingerprint()
    for _ in range(2):
        assert command("run", *small, "--text-backbone", model, "--out", model, cwd=tmp_path) == (0, "")
    after = contents(model)
    assert "report.md" in after and {name: after[name] for name in before} == before
    assert BackboneSource("text", str(model)).fingerprint() == fingerprint


def test_results_may_stand_beside_the_tables_of_a_dataset(command, small: list[str], tmp_path: Path):
    """Unless it keeps its pictures under a name that results take."""
    shop = tmp_path / "shop"
    shutil.rmtree(shop / "pictures")
    description = (shop / "dataset.toml").read_text().partition("[images]")[0]
    (shop / "dataset.toml").write_text(description)
    before = contents(shop)
    for _ in range(2):
        assert command("run", *small, "--out", shop, cwd=tmp_path) == (0, "")
    after = contents(shop)
    assert "report.md" in after and {name: after[name] for name in before} == before


def test_no_command_takes_a_folder_that_is_not_its_own(
    small: list[str], towers: str, make_record, write_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """The same in this process, for every folder and link that a command can be pointed at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TPMEBENCH_CACHE", str(with_files(tmp_path / "cache")))
    with_files(tmp_path / "thesis")
    for name in ("study", "older"):
        write_study(tmp_path / name, [make_record(method) for method in ("fft", "lora", "iisan-cached")])
    (tmp_path / "older" / "report.md").write_text("mine")  # beside records of a version that set no marker
    for link, place in (("link", "thesis"), ("dangling", "gone"), ("linked-study", "study")):
        (tmp_path / link).symlink_to(place)
    before = {folder: contents(folder) for folder in (tmp_path, Path(towers.partition("+")[0]))}
    for line in REFUSED.strip().splitlines():
        words = line.format(small="SMALL", model=towers.partition("+")[0]).split()
        arguments = [part for word in words for part in (small if word == "SMALL" else [word])]
        monkeypatch.setattr("sys.argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        errors = capsys.readouterr().err
        assert (ended.value.code, errors.count("\n")) == (2, 1), (line, errors)
        assert {folder: contents(folder) for folder in before} == before, line
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "shop" / "pictures"))
    monkeypatch.setattr("sys.argv", ["bench", "run", *small, "--out", "new"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("bench: TPMEBENCH_CACHE ")
    assert contents(tmp_path) == before[tmp_path]
