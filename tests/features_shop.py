"""A dataset of which nothing is known but ids, interactions and features."""

from pathlib import Path

import numpy as np

ITEMS, TEXT_WIDTH, IMAGE_WIDTH = 20, 6, 4
_DESCRIPTION = """
name = "vectors"

[interactions]
file = "ratings.csv"
user = "user"
item = "item"

[items]
file = "items.csv"
id = "item"

[features]
text = "text_feat.npy"
image = "image_feat.npy"
"""


def write(folder: Path) -> dict[str, np.ndarray]:
    """Writes it, and gives its features by modality. Item 7 is in no history, item 3 has no text features."""
    numbers = np.random.default_rng(0)
    found = {
        "text": numbers.standard_normal((ITEMS, TEXT_WIDTH)).astype(np.float32),
        "image": numbers.standard_normal((ITEMS, IMAGE_WIDTH)),
    }
    found["text"][3] = 0
    for name, vectors in found.items():
        np.save(folder / f"{name}_feat.npy", vectors)
    taken = [item for item in range(ITEMS) if item != 7]
    rows = [f"u{user},i{taken[(3 * user + step) % len(taken)]}" for user in range(30) for step in range(7)]
    (folder / "ratings.csv").write_text("\n".join(["user,item", *rows, ""]))
    (folder / "items.csv").write_text("\n".join(["item", *(f"i{item}" for item in range(ITEMS)), ""]))
    (folder / "dataset.toml").write_text(_DESCRIPTION)
    return found
