"""What is checked of each family in `families.py`: its vectors against transformers' own, and that methods train."""

from contextlib import suppress
from typing import Any

import torch
from cells import method_of
from families import SIDE, Family, tower
from torch import Tensor

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import OUTPUT
from tpmebench.methods.backbones.trial import in_order
from tpmebench.methods.features.build import BuildJob, ensure_features
from tpmebench.methods.features.cache import CacheKey
from tpmebench.methods.features.content import CachedContent
from tpmebench.methods.inputs import ItemInputs, States, TokenBatch

METHODS = ("fft", "lora", "adapter", "bitfit", "iisan", "iisan-cached")
ITEMS, LENGTHS = 5, (3, 7, 5, 4, 7, 6)


class Shelf:
    """A feature cache's content: five items and an empty one, titles of several lengths or pictures of noise."""

    items, tokens = ITEMS, None

    def __init__(self, family: Family) -> None:
        generator = torch.Generator().manual_seed(5)
        self.family = family
        before, after, _ = family.frame
        words = torch.randint(8, 60, (ITEMS + 1, 9), generator=generator).tolist()
        self.titles = [[*before, *row[:n], *after] for row, n in zip(words, LENGTHS, strict=True)]
        self.pixels = torch.randint(0, 256, (ITEMS + 1, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)

    def gather(self, items: Tensor) -> ItemInputs:
        """Their inputs, texts padded to the longest of them."""
        if self.family.modality == "image":
            return ItemInputs(items, pixels=self.pixels[items])
        rows = [self.titles[item] for item in items.tolist()]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return ItemInputs(items, text=TokenBatch(ids, mask))

    def order(self) -> Any:
        """All items but the empty one."""
        return torch.arange(1, ITEMS + 1).numpy()


@torch.no_grad()
def reference(family: Family, shelf: Shelf) -> tuple[list[Tensor], Tensor]:
    """transformers' own hidden states and output, one item at a time without padding, by its plainest attention.

    Pooled as the family is known to: `[items, width]` a level, and the output.
    """
    model = family.model()
    with suppress(ValueError, AttributeError):
        model.set_attn_implementation("eager")
    levels, outputs = list[list[Tensor]](), list[Tensor]()
    for item in range(1, ITEMS + 1):
        inputs = shelf.gather(torch.tensor([item]))
        if inputs.text is not None:
            found = model(input_ids=inputs.text.ids, output_hidden_states=True)
        else:
            assert inputs.pixels is not None
            pixels, more = inputs.pixels / 127.5 - 1.0, {}
            if family.kind == "ViTMAE":
                model.config.mask_ratio, more = 0.0, {"noise": in_order(model, pixels)}
            found = model(pixels, output_hidden_states=True, **more)
        levels.append([_pooled(family, state)[0] for state in found.hidden_states])
        outputs.append(_output(family, found)[0])
    return [torch.stack(level) for level in zip(*levels, strict=True)], torch.stack(outputs)


_WITHOUT_FIRST = {"Mamba", "Segformer", "PoolFormer"}
"""Families whose hidden states in transformers begin with the first layer's output."""


def _output(family: Family, found: Any) -> Tensor:
    own = getattr(found, "pooler_output", None)
    made = family.pooling in {"mean", "pooler"} or family.kind in {"CLIPVision", "CLIPText", "Dinov2", "DINOv3ViT"}
    return own.flatten(1) if own is not None and made else _pooled(family, found.last_hidden_state)


def _pooled(family: Family, states: Tensor) -> Tensor:
    if states.dim() == 4:  # columns, height, width
        return states.flatten(2).mean(2)
    if family.modality == "text":
        place = {"cls": 0, "last": -1, "pooler": -1}.get(family.pooling)
        return states.mean(1) if place is None else states[:, place]
    if family.pooling == "cls":
        return states[:, 0]
    return states[:, 1 if family.kind == "Beit" else 0 :].mean(1)


def differences(family: Family, shelf: Shelf) -> dict[str, float]:
    """The largest relative differences: of all levels from transformers' own, of items alone, in a batch, and again."""
    subject = tower(family.kind).eval()
    depth, items = subject.shape.depth, torch.arange(1, ITEMS + 1)
    levels = (*range(depth + 1), OUTPUT)
    with torch.no_grad():
        batch = subject.states(shelf.gather(items), levels)
        again = subject.states(shelf.gather(torch.cat([items, items])), levels)
        alone = [subject.states(shelf.gather(items[k : k + 1]), levels) for k in range(ITEMS)]
    own, output = reference(family, shelf)
    found = {"output": _difference(batch[-1], output)}
    below = batch[1:depth] if family.kind in _WITHOUT_FIRST else batch[:depth]  # the last may stand after a norm there
    assert len(below) < len(own) <= depth + 1, f"{len(own)} hidden states of transformers, {depth + 1} levels"
    found["levels"] = max(_difference(level.expand(ITEMS, -1), known) for level, known in zip(below, own, strict=False))
    found["alone"] = max(
        _difference(level.expand(ITEMS, -1), torch.cat([row[k].expand(1, -1) for row in alone]))
        for k, level in enumerate(batch)
    )
    found["again"] = max(
        _difference(level.repeat(2, 1) if len(level) == ITEMS else level, more)
        for level, more in zip(batch, again, strict=True)
    )
    return found


def _difference(first: Tensor, second: Tensor) -> float:
    assert first.shape == second.shape, (first.shape, second.shape)
    return float((first - second).abs().max() / second.abs().max().clamp(min=1.0))


def backbones(family: Family) -> Backbones:
    """The one tower as a method sees it."""
    return Backbones({family.modality: tower(family.kind).shape}, lambda _: tower(family.kind), ITEMS)


def cached(family: Family, shelf: Shelf, levels: tuple[int, ...]) -> CachedContent:
    """The levels of all items from a feature cache, built as a cell builds it."""
    key = CacheKey(family.kind, family.modality, family.kind, levels, "auto", "", "shelf", "float32")
    job = BuildJob(key, lambda: tower(family.kind), shelf, torch.device("cpu"), lambda *_: None)  # type: ignore[arg-type]
    return CachedContent(ITEMS, {family.modality: ensure_features(job)[0]})


def step(family: Family, name: str, shelf: Shelf) -> str:
    """ "yes" where a method trains a step on a family, else its reason."""
    towers, method = backbones(family), method_of(name)
    items = torch.arange(1, ITEMS + 1)
    try:
        torch.manual_seed(0)
        encoder = method.item_encoder(towers, 8)
        how = method.reads(towers)[family.modality]
        inputs = cached(family, shelf, how.levels).gather(items) if isinstance(how, States) else shelf.gather(items)
    except BenchError as error:
        return str(error)
    before = {key: value.detach().clone() for key, value in encoder.named_parameters()}
    parameters = [p for p in encoder.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    encoder.train()(inputs).square().sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in parameters), "gradients are not finite"
    optimiser.step()
    moved = {key for key, value in encoder.named_parameters() if not torch.equal(value, before[key])}
    inside = {key for key in moved if "towers." in key}
    assert moved and bool(inside) == method.crosses_towers(), (
        f"{len(moved)} parameters moved, {len(inside)} in the tower"
    )
    return "yes"


@torch.no_grad()
def cached_and_live(family: Family, shelf: Shelf) -> float:
    """The largest difference of what a side network, or where there is none a projection, makes of cache and tower."""
    items, towers = torch.arange(1, ITEMS + 1), backbones(family)
    outputs = []
    for name in ("iisan-cached", "frozen-cached"):
        try:
            method = method_of(name)
            how = method.reads(towers)[family.modality]
        except BenchError:
            continue
        assert isinstance(how, States)
        for each, inputs in (
            (method, cached(family, shelf, how.levels).gather(items)),
            (method_of(name.removesuffix("-cached")), shelf.gather(items)),
        ):
            torch.manual_seed(0)
            outputs.append(each.item_encoder(backbones(family), 8).eval()(inputs))
        return _difference(outputs[0], outputs[1])
    raise AssertionError("frozen-cached reads the output of every tower")
