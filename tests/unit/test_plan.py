"""From a study to its cells: how many, in which order, and which of them are done."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.bench.console import Screen
from tpmebench.bench.running.display import Display
from tpmebench.bench.running.request import Request
from tpmebench.bench.running.self_checks import check_cells
from tpmebench.bench.running.session import _state
from tpmebench.bench.study.grid import Planned, plan
from tpmebench.bench.study.schema import REFERENCE_ROWS, Study
from tpmebench.errors import BenchError
from tpmebench.reports.records import Record, record_path

NOWHERE = Path("nowhere")


def cells(directory: Path = NOWHERE, **study: Any) -> list[Planned]:
    values = {"methods": ["fft", "lora"], "device": "cpu", **study}
    return plan(Study.model_validate(values), directory, "0.1.0")


def left_behind(planned: Planned, directory: Path, status: str) -> None:
    """The record that an earlier run left of a cell."""
    Record(
        study="study",
        cell=planned.cell,
        cell_id=planned.cell.id,
        family="full",
        status=status,  # pyright: ignore[reportArgumentType]
        started="2026-01-01T00:00:00.000+00:00",
    ).save(directory)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_every_combination_is_a_cell_of_its_own(seeds: int, repeats: int, datasets: int):
    names = [f"bazaar:seed={number}" for number in range(datasets)]
    planned = cells(seeds=seeds, repeats=repeats, datasets=names)
    count = Counter(each.cell.method for each in planned)
    assert count == {
        "fft": datasets * seeds * repeats,
        "lora": datasets * seeds * repeats,
        "sasrec-id": datasets * seeds * repeats,
        "random": datasets * seeds,  # not timed, so never repeated
        "popularity": datasets,  # the same whatever the seed
        "content-knn": datasets,
    }
    assert len({each.cell.id for each in planned}) == len(planned)


def test_methods_take_turns_within_a_seed():
    planned = cells(seeds=2, repeats=2, references=False)
    assert [(each.cell.seed, each.cell.repeat, each.cell.method) for each in planned] == [
        (seed, repeat, method) for seed in (0, 1) for repeat in (0, 1) for method in ("fft", "lora")
    ]


def test_only_what_computes_much_runs_on_the_card(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tpmebench.bench.study.grid.resolve_device", lambda device: "cuda")
    devices = {planned.cell.method: planned.cell.device for planned in cells(methods=["fft"])}
    assert devices == {
        "fft": "cuda",
        "sasrec-id": "cuda",
        "content-knn": "cuda",  # it may have to run the towers
        "popularity": "cpu",
        "random": "cpu",
    }


def test_reference_rows_come_along_unless_they_are_left_out():
    assert [each.cell.method for each in cells()] == ["fft", "lora", *REFERENCE_ROWS]
    assert [each.cell.method for each in cells(methods=["random", "fft"])] == [
        "random",
        "fft",
        "popularity",
        "content-knn",
        "sasrec-id",
    ]
    assert [each.cell.method for each in cells(references=False)] == ["fft", "lora"]


def test_all_stands_for_every_method_that_adapts_something():
    planned = cells(methods=["all"], references=False)
    assert {"fft", "frozen", "frozen-cached", "bitfit", "adapter", "lora", "iisan", "iisan-cached"} <= {
        each.cell.method for each in planned
    }
    assert all(each.method.family != "reference" for each in planned)


def test_a_method_named_twice_runs_once():
    assert [each.cell.method for each in cells(methods=["fft", "fft"], references=False)] == ["fft"]


def test_epochs_and_options_of_a_method_are_its_own():
    planned = cells(epochs={"lora": 3}, options={"lora": {"r": 4}}, training={"epochs": 9}, references=False)
    fft, lora = (each.cell for each in planned)
    assert (fft.training.epochs, lora.training.epochs) == (9, 3)
    assert (fft.options, lora.options["r"]) == ({}, 4)


def test_defaults_written_out_are_the_same_cell():
    """The id follows from what decides the result, not from how it was asked for."""
    assert [a.cell.id for a in cells()] == [b.cell.id for b in cells(options={"lora": {"r": 8}}, threads=0)]


def test_checkpointing_is_refused_where_no_method_has_a_graph_across_a_tower():
    training = {"gradient_checkpointing": True}
    assert len(cells(methods=["fft", "iisan"], training=training, references=False)) == 2
    with pytest.raises(
        BenchError, match=r"training.gradient_checkpointing: .* in iisan, popularity, random, content-knn, sasrec-id;"
    ):
        cells(methods=["iisan"], training=training, references=True)


@pytest.mark.parametrize(
    "change",
    [
        {"modalities": "text"},
        {"training": {"batch": 16}},
        {"datasets": ["bazaar:seed=1"]},
        {"missing_images": "drop"},
        {"text_length": 12},
        {"threads": 1},
        {"deterministic": True},
        {"backbones": ["clip-b32"]},
    ],
    ids=str,
)
def test_whatever_decides_a_result_changes_the_id(change: dict[str, Any]):
    before, after = ({each.cell.id for each in cells(**study)} for study in ({}, change))
    assert not before & after


def test_another_backbone_folder_or_other_weights_in_it_is_another_cell(model_folder, tmp_path: Path):
    folder = tmp_path / "tower"
    shutil.copytree(model_folder("vit"), folder)
    study: dict[str, Any] = {
        "image_backbone": str(folder),
        "modalities": "image",
        "methods": ["fft"],
        "references": False,
    }
    [before] = cells(**study)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    [after] = cells(**study)
    assert before.cell.id != after.cell.id
    assert (before.cell.backbones.image, before.cell.backbones.text) == (folder.name, None)


@pytest.mark.parametrize(
    ("status", "seen"), [("ok", "ok"), ("oom", "oom"), ("crashed", "crashed"), ("interrupted", None)]
)
def test_a_finished_or_failed_cell_is_known_and_an_interrupted_one_runs_again(tmp_path: Path, status, seen):
    first = cells(tmp_path)[0]
    assert first.status is None
    left_behind(first, tmp_path, status)
    again = cells(tmp_path)
    assert again[0].status == seen
    assert [each.status for each in again[1:]] == [None] * (len(again) - 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"schema_version": 99}'])
def test_a_record_that_cannot_be_read_counts_as_not_done_and_holds_up_no_other(tmp_path: Path, content: bytes):
    """Whose cell it was: one of this study's, or another's in the same directory (`load_records` takes a list)."""
    done, damaged, *_ = cells(tmp_path)
    left_behind(done, tmp_path, "ok")
    record_path(tmp_path, damaged.cell.id).write_bytes(content)
    record_path(tmp_path, "0" * 16).write_bytes(content)
    assert [each.status for each in cells(tmp_path)[:3]] == ["ok", None, None]


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"methods": ["lroa"]}, ["unknown method 'lroa'", "did you mean 'lora'?"]),
        ({"backbones": {"mini": {"text": "micro"}}}, ["backbones.mini", "no image tower", "modalities"]),
        ({"methods": ["nowhere:Method"]}, ["'nowhere:Method'", "importable package.module:Class"]),
        ({"methods": ["pathlib:Path"]}, ["'pathlib:Path' is no subclass"]),
        ({"methods": ["tpmebench.methods.method:Method"]}, ["Method' is abstract", "item_encoder"]),
        ({"head": {"width": 3}}, ["head.width: 3", "2 attention heads", "head.width=4"]),
        ({"text_length": 100}, ["text_length: 100 tokens", "'micro' has 64 positions"]),
        ({"image_side": 33}, ["image_side: 33 pixels", "patches of 8"]),
        ({"options": {"lora": {"rank": 4}}}, ["option of method 'lora'", "'rank'", "choose from"]),
        ({"options": {"lora": {"r": "four"}}}, ["'lora'", "'r'", "valid integer"]),
        ({"options": {"lroa": {}}}, ["unknown method 'lroa'"]),
        ({"epochs": {"lroa": 3}}, ["unknown method 'lroa'"]),
        ({"datasets": ["bazar"]}, ["unknown dataset 'bazar'", "did you mean 'bazaar'?"]),
        ({"datasets": ["bazaar:itms=2000"]}, ["'itms'", "did you mean 'items'?"]),
        ({"datasets": ["bazaar:items=some"]}, ["'items'", "valid integer", "got 'some'"]),
        ({"datasets": ["no/where"]}, ["no/where", "dataset.toml"]),
        ({"backbones": ["micr"]}, ["unknown pair of backbones 'micr'", "did you mean 'micro'?"]),
        ({"backbones": ["bert-bas+vit-base"]}, ["unknown text backbone 'bert-bas'", "did you mean 'bert-base'?"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_mistakes_are_found_before_anything_runs(study: dict[str, Any], words: list[str]):
    with pytest.raises(BenchError) as caught:
        cells(**study)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA card here")
def test_a_gpu_that_is_not_there_is_an_error_and_auto_is_the_cpu():
    with pytest.raises(BenchError, match="--device cuda: torch sees no CUDA GPU here"):
        cells(device="cuda")
    assert cells(device="auto")[0].cell.device == "cpu"


def test_a_model_folder_without_weights_or_configuration_is_named(tmp_path: Path):
    study: dict[str, Any] = {"image_backbone": str(tmp_path), "modalities": "image"}
    with pytest.raises(BenchError, match=r"no config\.json"):
        cells(**study)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BenchError, match=r"no \.safetensors weights.*--weights random"):
        cells(**study)


def test_a_pair_that_cannot_read_the_texts_is_refused_and_the_others_run(tmp_path: Path):
    """The only pair is the study's mistake; beside another it is a row."""
    settings: dict[str, Any] = {"methods": ["frozen"], "references": True, "text_length": 100, "weights": "random"}
    with pytest.raises(BenchError, match="text_length: 100 tokens, but text backbone 'clip-b32' has 77 positions"):
        plan(Study(backbones=["clip-b32"], **settings), tmp_path, "1")
    cells = plan(Study(backbones=["clip-b32", "bert-base+vit-base"], **settings), tmp_path, "1")
    reasons = {(each.cell.backbones.text, each.cell.method): each.unfit for each in cells}
    assert "has 77 positions" in reasons["clip-b32", "frozen"]
    assert reasons["bert-base", "frozen"] == reasons["clip-b32", "popularity"] == reasons["clip-b32", "sasrec-id"] == ""
    refused = [planned for planned in cells if planned.unfit]
    found = check_cells(refused, None, Display(Screen()), tmp_path)  # type: ignore[arg-type]
    assert list(found.refused.values()) == [planned.unfit for planned in refused]
    assert "has 77 positions" in _state(refused[0], Request(tmp_path))
