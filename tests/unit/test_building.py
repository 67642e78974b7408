"""The last of a cell's three steps alone: modules of real size on tensors that have shapes and no numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cells import is_kind, method_of

from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.worker import content, read
from tpmebench.bench.worker.build import build_modules
from tpmebench.bench.worker.step import parameters_by_part, trainable_state
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.datasets.catalogue import Catalogue, Dataset, Sequences
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.registry import methods

ITEMS = 20_314
TRAINABLE = {"fft": 194_897_216, "lora": 796_736, "iisan": 4_113_877, "iisan-cached": 4_113_877}
TRAINED = [
    name
    for name, method in methods().items()
    if method.kind == "method" and method.family != "reference" and not is_kind(name)
]


@pytest.fixture(autouse=True)
def _nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(read, "load_dataset", lambda *_, **__: pytest.fail("there are no data"))
    monkeypatch.setattr(content, "ensure_features", lambda *_: pytest.fail("there is no cache"))


@pytest.mark.parametrize("name", TRAINED)
def test_modules_of_the_shape_of_bert_are_built_without_data_or_cache(name: str) -> None:
    choice = BackboneChoice(text="bert-base", image="vit-base", weights="random")
    training = Training(gradient_checkpointing=True)
    cell = Cell(method=name, dataset="nowhere", backbones=choice, training=training)
    method = method_of(name)
    one_user = Sequences(np.array([1, 2, 3]), np.array([0]), np.array([3]))
    dataset = Dataset("nowhere", Catalogue([""] * (ITEMS + 1), None, None), one_user, one_user, one_user)
    with torch.device("meta"):
        sources = {
            "text": BackboneSource("text", "bert-base", "random"),
            "image": BackboneSource("image", "vit-base", "random"),
        }
        recommender, unused = build_modules(cell, method, Sequential(cell), Backbones.of(sources, ITEMS), dataset)
    parts = parameters_by_part(recommender)
    assert all(parameter.is_meta for part in parts.values() for parameter in part)
    trainable = sum(value.numel() for value in trainable_state(recommender).values())
    assert trainable == TRAINABLE.get(name, trainable)
    towers = {f"{modality} tower" for modality in sources}
    assert towers & parts.keys() == (set() if method.uncached and not method.trains_inside else towers)
    assert bool(unused) != method.trains_inside
