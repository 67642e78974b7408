"""Tiny towers of several families, with random weights, and a small catalogue for them to read."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.cell import BackboneChoice, Cell, upgrade
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.preprocessing import TokenTable
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.features.content import RawContent

ITEMS, SIDE, VOCABULARY = 9, 16, 120

PAIRS = {
    "bert+vit": ("bert", "vit"),
    "unequal": ("bert", "wide-vit"),  # in depth (4, 2) and in width (32, 48)
    "clip": ("clip", "clip"),
    "causal+dinov2": ("qwen2", "dinov2"),  # in depth (2, 3)
}


def save_model(name: str, folder: Path) -> None:
    """Writes a tiny model with random weights as safetensors, in Hugging Face layout."""
    import transformers

    def size(hidden: int, layers: int) -> dict[str, Any]:
        heads = {"num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 2 * hidden}
        return {"hidden_size": hidden, "initializer_range": 0.2, **heads}

    words: dict[str, Any] = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    pixels: dict[str, Any] = {"image_size": SIDE, "patch_size": 8}
    make = {
        "bert": lambda: transformers.BertModel(transformers.BertConfig(**size(32, 4), vocab_size=VOCABULARY)),
        "short-bert": lambda: transformers.BertModel(transformers.BertConfig(**size(32, 2), vocab_size=VOCABULARY)),
        "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**size(32, 4), **pixels)),
        "wide-vit": lambda: transformers.ViTModel(transformers.ViTConfig(**size(48, 2), **pixels)),
        "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**size(32, 3), **pixels, mlp_ratio=2)),
        "qwen2": lambda: transformers.Qwen2Model(
            transformers.Qwen2Config(**size(32, 2), **words, num_key_value_heads=1)
        ),
        "clip": lambda: transformers.CLIPModel(
            transformers.CLIPConfig(text_config=size(32, 3) | words, vision_config=size(32, 3) | pixels)
        ),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        make[name]().save_pretrained(folder)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model: `model_folder("bert")`."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            save_model(name, root / name)
        return root / name

    return folder


@pytest.fixture(scope="session")
def tiny_tower(model_folder: Callable[[str], Path]) -> Callable[[str, str], Tower]:
    """A fresh tower: `tiny_tower("text", "bert")`."""
    loaded: dict[tuple[str, str], Tower] = {}

    def tower(modality: Any, name: str) -> Tower:
        if (modality, name) not in loaded:
            made = BackboneSource(modality, str(model_folder(name))).tower()
            assert isinstance(made, Tower)
            loaded[modality, name] = made
        return copy.deepcopy(loaded[modality, name])

    return tower


@pytest.fixture(scope="session")
def tiny_backbones(tiny_tower: Callable[[str, str], Tower]) -> Callable[..., Backbones]:
    """Fresh backbones: `tiny_backbones("bert+vit", ["text"])`."""

    def backbones(pair: str, modalities: tuple[str, ...] = ("text", "image")) -> Backbones:
        names: dict[str, str] = dict(zip(("text", "image"), PAIRS[pair], strict=True))
        shapes = {modality: tiny_tower(modality, names[modality]).shape for modality in modalities}
        return Backbones(shapes, lambda modality: tiny_tower(modality, names[modality]), ITEMS)

    return backbones


@pytest.fixture(scope="session")
def tiny_content() -> RawContent:
    """Nine items with titles of two to seven tokens and pictures of noise; row 0 is padding."""
    rng = np.random.default_rng(5)
    lengths = np.array([2, 4, 2, 7, 5, 5, 3, 6, 4, 7])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(3, VOCABULARY, offsets[-1]).astype(np.int32)
    ids[offsets[:-1]] = 1  # [CLS]
    tokens = TokenTable(ids, offsets, 0, "tokens")
    pixels = rng.integers(0, 256, (ITEMS + 1, 3, SIDE, SIDE), dtype=np.uint8)
    return RawContent(ITEMS, tokens, pixels, "content")


Assemble = Callable[..., TrainedCell]


@pytest.fixture(scope="session")
def small_cell(tmp_path_factory: pytest.TempPathFactory) -> Assemble:
    """A whole cell over a small shop and the micro towers: `small_cell("lora", seed=1, batch=8)`.

    What is not a field of the cell is one of its training, head or evaluation.
    """
    cache = tmp_path_factory.mktemp("cache")

    def build(method: str, **fields: Any) -> TrainedCell:
        of_cell = {name: value for name, value in fields.items() if name in Cell.model_fields}
        protocol = {"batch": 16, **{name: value for name, value in fields.items() if name not in of_cell}}
        cell = Cell.model_validate(
            {
                "method": method,
                "dataset": "bazaar:items=200,users=40",
                "backbones": BackboneChoice(text="micro", image="micro", image_side=32),
            }
            | upgrade({"training": protocol})
            | of_cell
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TPMEBENCH_CACHE", str(cache))
            parts = assemble(cell, lambda *_: None)
            return cast("TrainedCell", parts)  # or one that ranks, for who asks for its dataset

    return build
