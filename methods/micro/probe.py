"""What a linear probe reads off the `[CLS]` of a pair of micro models, on items of the benchmark's shop."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.bazaar.shop import SIZES, BazaarOptions, ShopImages, stock
from ...datasets.bazaar.words import Titles

SIDE = 32
SHOWN = {"text": ("category", "brand", "material"), "image": ("category", "colour", "shape", "pattern")}
"""Attributes that each modality shows."""
LEVELS = (2, 4)
"""The levels that a side network reads by default, the first apart."""

Probe = dict[str, tuple[float, ...]]
"""By modality and attribute: accuracy from the states of `LEVELS` together, and from the final `[CLS]` alone."""


def tokens(tokenizer: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, int64 `[n, longest]`."""
    rows = tokenizer.encode_batch(texts)
    return torch.tensor([row.ids for row in rows]), torch.tensor([row.attention_mask for row in rows])


def pixels(pictures: np.ndarray) -> Tensor:
    """uint8 `[n, side, side, 3]` to float32 `[n, 3, side, side]`, mean and std 0.5."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def probe(text: Any, image: Any, tokenizer: Any, items: int = 2000) -> Probe:
    """Accuracy of ridge classifiers by modality and attribute.

    Learned on the first half of the default shop's first `items` items, scored on the other half.
    """
    options = BazaarOptions()
    attributes = stock(options).attributes[:items]
    category, brand, material = attributes.T[:3]
    titles = Titles(options.seed, brand, material, category)[:]
    pictures = ShopImages(options.seed, attributes).load_many(np.arange(1, items + 1), SIDE)
    with torch.inference_mode():
        outputs = {
            "text": text.eval()(*tokens(tokenizer, titles), output_hidden_states=True),
            "image": image.eval()(pixels(pictures), output_hidden_states=True),
        }
    found = {}
    for modality, names in SHOWN.items():
        states = torch.cat([outputs[modality].hidden_states[level][:, 0] for level in LEVELS], dim=1).double().numpy()
        final = outputs[modality].last_hidden_state[:, 0].double().numpy()
        for name in names:
            labels = attributes[:, [*SIZES].index(name)]
            found[f"{modality} {name}"] = (_ridge_accuracy(states, labels), _ridge_accuracy(final, labels))
    return found


def _ridge_accuracy(vectors: np.ndarray, labels: np.ndarray, penalty: float = 0.01) -> float:
    half = len(labels) // 2
    vectors = (vectors - vectors[:half].mean(axis=0)) / (vectors[:half].std(axis=0) + 1e-6)
    inputs = np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1)
    known, unknown = inputs[:half], inputs[half:]
    gram = known.T @ known + penalty * half * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, known.T @ np.eye(labels.max() + 1)[labels[:half]])
    return float(((unknown @ weights).argmax(axis=1) == labels[half:]).mean())
