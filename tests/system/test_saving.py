"""What `bench run --save` keeps is exported, opened by others, and rebuilt: the same embeddings, ranks and items."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tpmebench.bench.console import Screen
from tpmebench.bench.saved.export import export_cell
from tpmebench.bench.saved.found import find_trained
from tpmebench.bench.saved.rebuilt import Instead, Rebuilt, rebuild
from tpmebench.bench.saved.recommend import recommend
from tpmebench.bench.worker.places import saved_path
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import Tower
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import ranks_path

METHODS = ("lora", "compacter", "iisan-cached")
STUDY = ("run", "--methods", ",".join(METHODS), "--dataset", "bazaar:items=60,users=40", "--epochs", "2", "--strict")
MORE = ("--set", "references=false", "--set", "training.learning_rate_scale=10", "--out", "runs/kept")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bench: Callable[..., Any], cache: Path) -> Path:
    """A directory with a study that was run with --save, and each of its cells exported: one by the command."""
    home = tmp_path_factory.mktemp("home")
    done = bench(*STUDY, *MORE, "--save", cwd=home)
    assert done.returncode == 0, done.stderr
    cells = ids(home)
    done = bench("export", cells.pop("lora")[:8], "lora", cwd=home)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "exported: lora\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TPMEBENCH_CACHE", str(cache))
        for method, cell in cells.items():
            export_cell(find_trained(cell, home / "runs"), home / method, Instead(), Screen())
    return home


@pytest.fixture(autouse=True)
def _at_home(home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("TPMEBENCH_CACHE", str(cache))


def ids(home: Path) -> dict[str, str]:
    return {record.cell.method: record.cell_id for record in load_records(home / "runs" / "kept")}


def rebuilt(name: str) -> Rebuilt:
    return rebuild(find_trained(name, Path("runs")), Instead(), Screen())


@pytest.mark.parametrize("method", METHODS)
def test_the_exported_ranks_as_the_record_says_and_as_the_kept(home: Path, method: str) -> None:
    torch.manual_seed(12)
    kept, exported = rebuilt(ids(home)[method]), rebuilt(method)
    ours, theirs = kept.embeddings(), exported.embeddings()
    assert torch.equal(ours, theirs)
    ranks = exported.evaluator.ranks(exported.parts.dataset.test, theirs)
    np.testing.assert_array_equal(ranks, np.load(ranks_path(home / "runs" / "kept", ids(home)[method])))
    fresh = load_file(Path(method) / "trained.safetensors")
    assert {name: tuple(value.shape) for name, value in fresh.items()} == {
        name: tuple(value.shape) for name, value in kept.state.items()
    }


@pytest.mark.filterwarnings("ignore:.*checkpointing:FutureWarning")
@pytest.mark.parametrize("modality", ["text", "image"])
def test_peft_itself_opens_an_adapter_and_gives_the_trained_towers_vectors(modality: Any) -> None:
    from peft import PeftModel

    trained = rebuilt("lora")
    reader: Any = trained.parts.recommender.item_encoder.reader
    inputs = trained.parts.content.gather(torch.arange(1, 9))
    fresh = BackboneSource(modality, "micro").tower()
    assert isinstance(fresh, Tower)
    with torch.no_grad():
        before = fresh.eval()(inputs)
        opened = PeftModel.from_pretrained(fresh.model, f"lora/{modality}")  # type: ignore[arg-type]
        assert opened.peft_config["default"].peft_type == "LORA"
        wanted = reader.tower(modality).eval()(inputs)
        torch.testing.assert_close(fresh.eval()(inputs), wanted, atol=1e-5, rtol=1e-5)
        assert (before - wanted).abs().max() > 1e-3
    folder = sorted(path.name for path in Path("lora", modality).iterdir())
    assert folder == ["adapter_config.json", "adapter_model.safetensors"]


def test_a_folder_holds_what_rebuilds_it_and_the_record_s_figures(home: Path) -> None:
    records = {record.cell.method: record for record in load_records(home / "runs" / "kept")}
    for method in METHODS:
        about, card = json.loads(Path(method, "tpmebench.json").read_text()), Path(method, "README.md").read_text()
        assert (about["cell"]["method"], about["width"]) == (method, 64)
        assert {name: tower["name"] for name, tower in about["towers"].items()} == {"text": "micro", "image": "micro"}
        assert str(home) not in json.dumps(about) + card  # nothing of this machine
        accuracy = records[method].accuracy
        assert accuracy is not None and f"| HR@10 | {accuracy.valid.metrics['HR@10']:.4f} |" in card
        assert ("PeftModel" in card) == Path(method, "text").is_dir() == (method == "lora")
        assert all(
            path.suffix in {".md", ".json", ".safetensors"} for path in Path(method).rglob("*") if path.is_file()
        )


def test_recommendations_are_shown_as_a_table_a_page_and_a_picture(home: Path, bench: Callable[..., Any]) -> None:
    catalogue = rebuilt("lora").parts.dataset.catalogue
    history = [str(catalogue.ids[number]) for number in (3, 1, 4, 1)]
    found = recommend(rebuilt("lora"), history, 5)
    assert [item.id for item in found.history] == history
    assert len({item.id for item in found.found}) == 5 and not {item.id for item in found.found} & set(history)
    assert [item.score for item in found.found] == sorted((item.score for item in found.found), reverse=True)  # type: ignore[type-var]
    done = bench("recommend", "lora", "--history", ",".join(history), "--top", "5", "--out", "shown/lora", cwd=home)
    assert done.returncode == 0, done.stderr
    page = Path("shown/lora.html").read_text(encoding="utf-8")
    for item in found.found:
        assert item.id in done.stdout and item.title in page
    assert page.count("data:image/png;base64,") == 4 + 5 and "http" not in page.replace("<!doctype html>", "")
    assert Image.open("shown/lora.png").size[0] > 500


def test_recommend_puts_the_history_s_last_items_before_the_model() -> None:
    trained = rebuilt("lora")
    ids_ = [str(name) for name in trained.parts.dataset.catalogue.ids[1:14]]
    long, short = recommend(trained, ids_, 40), recommend(trained, ids_[-10:], 43)
    assert (long.left_out, short.left_out) == (3, 0)
    seen = [item.id for item in short.found if item.id not in ids_[:3]]
    assert [item.id for item in long.found] == seen[: len(long.found)]


def test_a_cell_that_was_not_saved_says_which_command_saves_it_and_runs_again(
    home: Path, bench: Callable[..., Any]
) -> None:
    cell = ids(home)["compacter"]
    kept = saved_path(home / "runs" / "kept", cell)
    away = kept.with_suffix(".away")
    kept.rename(away)
    try:
        with pytest.raises(BenchError, match=r"compacter\): it was run without --save; .*--out \S*runs/kept --save"):
            find_trained(cell, Path("runs"))
        told = bench(*STUDY, *MORE, "--save", "--dry-run", cwd=home).stdout
        assert "1 of 3 cells would run" in told and "ok, not saved, to run" in told
        assert "0 of 3 cells would run" in bench(*STUDY, *MORE, "--dry-run", cwd=home).stdout
    finally:
        away.rename(kept)


def test_what_cannot_be_exported_or_opened_is_one_line(home: Path, bench: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"neither a record below runs nor an exported folder; saved there: "):
        find_trained("0123", Path("runs"))
    cell = ids(home)["lora"]
    refused = bench("export", cell, "lora", cwd=home)
    assert (refused.returncode, refused.stderr.count("\n")) == (
        2,
        1,
    ) and "a new or an empty directory" in refused.stderr
    with pytest.raises(BenchError, match=r"no item 'nothing' in dataset 'bazaar"):
        recommend(rebuilt("lora"), ["nothing"], 3)
    damaged = tmp_path / "damaged"
    shutil.copytree("lora", damaged)
    (damaged / "trained.safetensors").write_bytes(b"0")
    with pytest.raises(BenchError, match="is not as it was exported"):
        rebuilt(str(damaged))
    about = json.loads((damaged / "tpmebench.json").read_text())
    shutil.copy("lora/trained.safetensors", damaged)
    changes: dict[str, tuple[Any, str]] = {
        "options": (about["cell"]["options"] | {"r": 4}, r"lora_A.* is of shape \[8, 64\], but .* of shape \[4, 64\]"),
        "backbones": (about["cell"]["backbones"] | {"fingerprint": "0" * 16 + "+" + "1" * 16}, "is not the one that"),
        "method": ("no-such-method", "unknown method"),
        "dataset": ("their.shop:Shop", "'their.shop:Shop' is code from outside, which an exported folder cannot"),
        "task": ("theirs:Task", "is code from outside"),
    }
    for key, (value, told) in changes.items():
        (damaged / "tpmebench.json").write_text(json.dumps(about | {"cell": about["cell"] | {key: value}}))
        with pytest.raises(BenchError, match=told):
            rebuilt(str(damaged))
    (damaged / "tpmebench.json").write_text("{}")
    with pytest.raises(BenchError, match=r"tpmebench\.json: cell: .*export the cell again"):
        rebuilt(str(damaged))
