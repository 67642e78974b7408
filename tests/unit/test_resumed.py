"""A tower that starts in the middle: what is left of it, and what it refuses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.resumed import ResumedTower
from tpmebench.methods.backbones.tower import OUTPUT, Tower
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.inputs import ItemInputs, Sequences

MakeTower = Callable[[str, str], Tower]
TOWERS = [
    ("text", "bert"),
    ("image", "vit"),
    ("text", "qwen2"),
    ("image", "dinov2"),
    ("text", "clip"),
    ("image", "clip"),
]


def started(tower: Tower, inputs: ItemInputs, start: int) -> ItemInputs:
    """The items as states of a level at all positions, with nothing left of what they show."""
    (states,) = tower.sequences(inputs, (start,))
    text = tower.shape.modality == "text" and inputs.text is not None
    mask = inputs.text.mask if text and inputs.text else torch.ones(states.shape[:2], dtype=torch.int64)
    states = states * mask[..., None]  # as the cache keeps them
    return ItemInputs(inputs.items, sequences={tower.shape.modality: Sequences([states], mask)})


@torch.no_grad()
@pytest.mark.parametrize(("modality", "name"), TOWERS)
def test_every_level_above_is_that_of_the_whole_tower(
    tiny_tower: MakeTower, tiny_content: RawContent, modality: str, name: str
) -> None:
    inputs = tiny_content.gather(torch.arange(1, 10))
    for start in range(tiny_tower(modality, name).shape.depth):
        whole = tiny_tower(modality, name).eval()
        levels = (*range(start + 1, whole.shape.depth + 1), OUTPUT)
        resumed = ResumedTower(tiny_tower(modality, name), start).eval()
        found = resumed.states(started(whole, inputs, start), levels)
        for one, other in zip(found, whole.states(inputs, levels), strict=True):
            torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)


def test_the_lower_layers_and_the_words_are_gone(tiny_tower: MakeTower) -> None:
    whole = tiny_tower("text", "bert")
    layer = sum(parameter.numel() for parameter in whole.layers[0].parameters())
    rows = whole.model.get_parameter("embeddings.word_embeddings.weight").shape
    resumed = ResumedTower(tiny_tower("text", "bert"), 3)
    lost = sum(parameter.numel() for parameter in whole.parameters()) - sum(p.numel() for p in resumed.parameters())
    assert lost == 3 * layer + (rows[0] - 1) * rows[1]


def test_a_tower_whose_layers_need_more_than_their_states_is_refused(tiny_tower: MakeTower) -> None:
    tower = tiny_tower("text", "bert")
    first, second = tower.layers[0], tower.layers[1]
    kept: list[Tensor] = []

    def keeps(_module: object, _args: object, output: Tensor) -> None:
        kept.append(output)

    first.register_forward_hook(keeps)

    def adds_the_first(_module: object, _args: object, output: Tensor) -> Tensor:
        return output + kept[-1]

    second.register_forward_hook(adds_the_first)
    with pytest.raises(BenchError, match=r"the text tower .* cannot be started at level 1: its layers need more than"):
        ResumedTower(tower, 1)
