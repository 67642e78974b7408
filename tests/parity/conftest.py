"""The published implementation's arrays under our names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

HERE = Path(__file__).parent

_HEAD = {
    "transformer_encoder.position_embedding": "positions",
    "transformer_encoder.layer_norm": "norm",
    "transformer_encoder.transformer_blocks.": "blocks.",
    ".multi_head_attention": ".0",
    ".feed_forward": ".1",
    "w_Q": "query",
    "w_K": "key",
    "w_V": "value",
    ".fc.": ".output.",
    "w_1": "expand",
    "w_2": "contract",
    "layer_norm": "norm",
}


@pytest.fixture(scope="session")
def arrays() -> Callable[[str], dict[str, Tensor]]:
    """The tensors of a reference file by their published names: `arrays("loss")`."""

    def load(name: str) -> dict[str, Tensor]:
        with np.load(HERE / f"{name}.npz", allow_pickle=False) as file:
            return {key: torch.from_numpy(np.atleast_1d(file[key])) for key in file.files}

    return load


@pytest.fixture(scope="session")
def numbers() -> Callable[[str], dict[str, Any]]:
    """The contents of a reference JSON file: `numbers("ranking")`."""
    return lambda name: json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def head_state() -> Callable[..., dict[str, Tensor]]:
    """SASRec's parameters, or with `"grad."` their gradients, among a reference file's arrays."""

    def state(found: dict[str, Tensor], kind: str = "") -> dict[str, Tensor]:
        prefix, renamed = f"{kind}user_encoder.", {}
        for key, value in found.items():
            if key.startswith(prefix):
                ours = key.removeprefix(prefix)
                for published, name in _HEAD.items():
                    ours = ours.replace(published, name)
                renamed[ours] = value
        return renamed

    return state
