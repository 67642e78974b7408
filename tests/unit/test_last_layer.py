"""What follows the last layer's attention at the pooled position alone: the same states and gradients, less work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cells import method_of, trained, tried_on_all
from torch import Tensor, nn

from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Head, Training
from tpmebench.methods.backbones.last_layer import narrow_last_layer
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.projections import maps_after_attention, widths
from tpmebench.methods.backbones.tower import OUTPUT, Tower
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.features.readers import TowerReader
from tpmebench.methods.inputs import ItemInputs
from tpmebench.methods.registry import methods

MakeTower = Callable[[str, str], Tower]
CROSSED = [name for name, method in methods().items() if method.family in {"full", "embedded"} and tried_on_all(name)]
AT_CLS = [("text", "bert"), ("image", "vit"), ("image", "dinov2"), ("image", "clip")]


@pytest.fixture
def items(tiny_content: RawContent) -> ItemInputs:
    return tiny_content.gather(torch.arange(1, 10))


def rows_into(linear: nn.Module, run: Callable[[], Any]) -> int:
    """How many rows a map is given while `run` runs."""
    rows = []
    handle = linear.register_forward_hook(lambda _module, _args, output: rows.append(output.shape[:-1].numel()))
    run()
    handle.remove()
    return sum(rows)


@pytest.mark.parametrize(("modality", "name"), AT_CLS)
@torch.no_grad()
def test_states_stay_and_what_follows_the_attention_sees_one_row_an_item(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str
) -> None:
    tower = tiny_tower(modality, name).eval()
    levels = (*range(tower.shape.depth + 1), OUTPUT)
    before = tower.states(items, levels)
    last = maps_after_attention(tower)
    assert sorted(widths(linear) for linear in last) == [(32, 32), (32, 64), (64, 32)]
    narrow_last_layer(tower)
    torch.testing.assert_close(tower.states(items, levels), before)
    assert [rows_into(linear, lambda: tower(items)) for linear in last] == [9, 9, 9]
    others = [
        module
        for module in nn.ModuleList(tower.layers).modules()
        if isinstance(module, nn.Linear) and module not in last
    ]
    assert others and all(rows_into(linear, lambda: tower(items)) > 9 for linear in others)


@torch.no_grad()
def test_after_dropping_layers_the_last_one_left_is_narrowed(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = tiny_tower("text", "bert").eval()
    before = tower.states(items, (1, 2))
    tower.drop_layers_above((1, 2))
    narrow_last_layer(tower)
    torch.testing.assert_close(tower.states(items, (1, 2)), before)
    assert rows_into(maps_after_attention(tower)[0], lambda: tower.states(items, (2,))) == 9


@pytest.mark.parametrize("name", [*CROSSED, "iisan", "frozen"])
def test_methods_keep_their_embeddings_and_gradients(
    tiny_backbones: Callable[..., Backbones], items: ItemInputs, name: str
) -> None:
    gradients, outputs = list[dict[str, Tensor]](), []
    for narrowed in (False, True):
        torch.manual_seed(0)
        encoder: Any = method_of(name).item_encoder(tiny_backbones("bert+vit"), 8).eval()
        reader = encoder.reader
        assert isinstance(reader, TowerReader)
        for modality in reader.levels:
            if narrowed:
                narrow_last_layer(reader.tower(modality))
                for linear in maps_after_attention(reader.tower(modality)):
                    assert rows_into(linear, lambda encoder=encoder: encoder(items)) == 9
        outputs.append(encoder(items))
        outputs[-1].square().sum().backward()
        gradients.append({key: p.grad for key, p in encoder.named_parameters() if p.grad is not None})
    torch.testing.assert_close(outputs[1], outputs[0])
    assert gradients[0]
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, rtol=1e-3, atol=1e-5 * float(1 + gradient.abs().max()))


@pytest.mark.parametrize(("modality", "family"), AT_CLS)
def test_in_half_precision_nothing_is_left_of_the_trial(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, family: str
) -> None:
    """Autocast keeps the halves of whatever weights it was first asked for."""
    whole, cut = (tiny_tower(modality, family).eval().requires_grad_() for _ in range(2))
    cut.load_state_dict(whole.state_dict())
    last = len(whole.layers)
    with torch.autocast("cpu", torch.bfloat16):
        narrow_last_layer(cut)
        [expected], [found] = whole.states(items, (last,)), cut.states(items, (last,))
    assert float((found - expected).detach().abs().max()) < 0.02 * float(expected.detach().abs().max())


def test_towers_read_at_the_last_token_are_left_as_they_are(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = tiny_tower("text", "qwen2").eval()
    assert len(maps_after_attention(tower)) == 4  # its feed-forward is gated
    narrow_last_layer(tower)
    assert not any(module._forward_pre_hooks for module in tower.modules())


def loss_and_rows(method: str, encode: Any) -> tuple[float, int, int]:
    """The loss of the first batch, the rows that a map after the last attention saw, and the pictures encoded."""
    micro = BackboneChoice(text="micro", image="micro")
    training, head = Training(encode=encode), Head(dropout=0.0)
    cell = Cell(method=method, dataset="bazaar:items=60,users=40", backbones=micro, training=training, head=head)
    trainer = Trainer(trained(cell))
    batch, inputs = next(trainer.load(trainer.batches.epoch(0)))
    reader: Any = trainer.recommender.item_encoder.reader
    maps = maps_after_attention(reader.tower("image"))
    losses = list[Tensor]()
    rows = rows_into(maps[0], lambda: losses.append(trainer.forward(batch, inputs).detach()))
    return float(losses[0]), rows, len(inputs.items)


@pytest.mark.parametrize("method", ["fft", "frozen"])
def test_every_slot_computes_all_that_the_published_code_does(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))
    unique, rows, items = loss_and_rows(method, "unique")
    assert rows == items
    every_slot, rows, items = loss_and_rows(method, "every-slot")
    assert rows == items * 17  # 16 patches and [CLS]
    assert unique == pytest.approx(every_slot, rel=1e-5)
