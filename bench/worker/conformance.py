"""The rules of a method, each a check on a small case: what it must hold to so that the harness can compare it.

The suite's own tests run them over every method on many towers, `tpmebench.testing.check_method` over one from outside.
`checks` judges what is tried before a cell runs; these here train, save and build anew, which takes longer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ...datasets.batches import ItemBatch
from ...methods.backbones.pair import Backbones
from ...methods.backbones.resumed import ResumedTower
from ...methods.backbones.tower import OUTPUT, Tower
from ...methods.features.content import Content
from ...methods.features.readers import TowerReader
from ...methods.head.recommender import Recommender
from ...methods.inputs import ItemInputs
from ...methods.method import Method
from .checks import CheckFailed, apart, check_selection, frozen_buffers
from .saving import kept_state, put_back
from .step import make_optimiser, trainable_state

ROUNDING = 1e-4
"""How far apart vectors may be that should be one, as a share of the largest number in them."""
START = 1e-2
"""The same of what towers give before training: small random maps may stand in them."""
CACHED = 1e-5
"""The same of embeddings and gradients with and without the feature cache."""
_HALF = 0.05
_SEED = 3


@dataclass
class Case:
    """A recommender as it starts, with one training batch and what it reads. `backbones` load towers afresh."""

    method: Method[Any]
    recommender: Recommender
    content: Content
    batch: ItemBatch
    inputs: ItemInputs
    backbones: Backbones

    @property
    def encoder(self) -> nn.Module:
        """What the method built."""
        return self.recommender.item_encoder

    @property
    def towers(self) -> list[Tower]:
        """Those that it runs."""
        return [module for module in self.encoder.modules() if isinstance(module, Tower)]

    def loss(self) -> Tensor:
        """Of the batch, a penalty of the method's own included."""
        loss, penalty = self.recommender.loss(self.batch, self.inputs), self.method.penalty(self.encoder)
        return loss if penalty is None else loss + penalty

    def embeddings(self, *items: int) -> Tensor:
        """Of some items, or of all, without dropout."""
        self.recommender.eval()
        chosen = torch.tensor(items) if items else torch.arange(1, self.backbones.items + 1)
        with torch.no_grad():
            return self.encoder(self.content.gather(chosen))

    def step(self, steps: int = 1) -> None:
        """Trains; the gradients of the last step stay."""
        self.recommender.train()
        optimiser = make_optimiser(self.recommender, self.method.learning_rates(self.encoder))
        for number in range(1, steps + 1):
            optimiser.zero_grad()
            self.loss().backward()
            optimiser.step()
            self.method.after_update(self.encoder, number)


Build = Callable[[], Case]
"""The same case afresh."""


def check_embeddings(case: Case) -> None:
    """Every item has one finite embedding of the width asked for, whatever stands beside it; another has another."""
    together, shape = case.embeddings(), (case.backbones.items, case.recommender.width)
    if tuple(together.shape) != shape:
        raise CheckFailed(f"one embedding an item: of {shape[0]} items it gives {list(together.shape)}, not {[*shape]}")
    if not together.isfinite().all():
        raise CheckFailed("one embedding an item: some are not finite")
    for item in range(1, min(4, shape[0]) + 1):
        distance = apart(case.embeddings(item), together[item - 1 : item])
        if not distance <= ROUNDING:
            raise CheckFailed(
                f"one embedding an item: an item alone and beside others differ by {distance:.1e}, where "
                f"{ROUNDING:.0e} is rounding: what one item shows must not reach another's embedding"
            )
    if len(together) > 1 and apart(together[0], together[1]) <= ROUNDING:
        raise CheckFailed("tells items apart: two different items have the same embedding")


def check_rates(case: Case) -> None:
    """What is trained has one learning rate, above 0, and what is frozen has none."""
    check_selection(case.method, case.encoder)
    rates = case.method.learning_rates(case.encoder)
    for name, rate in {"the head": rates.head, **{name: rate for name, (_, rate) in rates.groups.items()}}.items():
        if not rate > 0:
            raise CheckFailed(f"gradients reach: the learning rate of {name} is {rate:g}, not above 0")


def check_step(case: Case) -> None:
    """A training step changes what the method trains and nothing else; whatever it trains has a finite gradient."""
    parameters = dict(case.recommender.named_parameters(remove_duplicate=False))  # some are shared among layers
    buffers = dict(frozen_buffers(case.encoder))
    before = {name: value.detach().clone() for name, value in (parameters | buffers).items()}
    case.step()
    for name, buffer in buffers.items():
        if not torch.equal(buffer, before[name]):
            raise CheckFailed(f"nothing else: a training step changes '{name}' of a tower that is not trained")
    for name, parameter in parameters.items():
        same = torch.equal(parameter, before[name])
        if not parameter.requires_grad:
            if not same:
                raise CheckFailed(f"nothing else: a training step changes '{name}', which is frozen")
            if parameter.grad is not None:
                raise CheckFailed(f"nothing else: '{name}' is frozen and has a gradient")
            continue
        if parameter.grad is None:
            raise CheckFailed(f"gradients reach: none reaches '{name}', which the method trains")
        if not parameter.grad.isfinite().all():
            raise CheckFailed(f"gradients reach: that of '{name}' is not finite")
        if same and parameter.grad.any():
            raise CheckFailed(f"gradients reach: '{name}' has one and stays as it was")


def check_restored(build: Build) -> None:
    """What was trained is all in what is saved: built anew and put back, it gives the same embeddings."""
    trained, anew = build(), build()
    trained.step(2)
    put_back(anew.recommender, load(save(kept_state(trained.recommender))), "what the method saves")
    if not torch.equal(anew.embeddings(), trained.embeddings()):
        raise CheckFailed(
            "restored by what is saved: built anew with its trained parameters and buffers put back, the method gives "
            "other embeddings; whatever training changes must be a parameter or a buffer of the encoder"
        )


def check_start(case: Case, most: float | None = START) -> None:
    """Before training the towers are the pretrained ones: their weights, and but for `most` what they give.

    `most` is a share of the largest number; None: the method may move what it trains as it likes.
    """
    for tower, levels in _read(case.encoder):
        name = tower.shape.modality
        pristine = case.backbones.load(name)
        assert isinstance(pristine, Tower), "towers are adapted, not formulas"
        if most is None and any(parameter.requires_grad for parameter in tower.parameters()):
            continue
        known = dict(pristine.named_parameters())
        for key, parameter in tower.named_parameters():
            if key in known and known[key].shape == parameter.shape and not torch.equal(known[key], parameter):
                raise CheckFailed(f"starts from the towers: '{key}' of the {name} tower is changed before training")
        distance = _moved(tower, pristine, levels, case)
        if most is not None and not distance <= most:
            raise CheckFailed(
                f"starts from the towers: before training the {name} tower's states differ from the pretrained one's "
                f"by {distance:.1e}, where {most:.0e} is allowed"
            )


def check_frozen_towers(case: Case) -> None:
    """Towers that no gradient crosses stay in eval mode while the rest trains: no dropout, and no graph."""
    case.recommender.train()
    for tower in case.towers if not case.method.crosses_towers() else ():
        if any(module.training for module in tower.modules()):
            raise CheckFailed(
                f"frozen towers: the {tower.shape.modality} tower is in train mode, where dropout makes an item differ "
                "from step to step; read it by a TowerReader with frozen=True"
            )


def check_cached(build: Build, build_uncached: Build, most: float = CACHED) -> None:
    """The method trains as the one does that reads no cache: the same start, embeddings and gradients.

    `most`: how far they may be apart, as a share of the largest number.
    """
    cached, live = build(), build_uncached()
    start, other = trainable_state(cached.recommender), trainable_state(live.recommender)
    if start.keys() != other.keys() or not all(torch.equal(start[key], other[key]) for key in start):
        raise CheckFailed("cached as live: with and without the cache other parameters are trained, or start otherwise")
    for step in range(3):
        distance = apart(cached.embeddings(), live.embeddings()) if step == 0 else _gradients_apart(cached, live)
        if not distance <= most:
            what = "embeddings" if step == 0 else "gradients"
            raise CheckFailed(f"cached as live: with and without the cache the {what} differ by {distance:.1e}")
        for case in (cached, live):  # with the head's dropout, from the same generator
            torch.manual_seed(_SEED)
            case.step()


def check_half_precision(case: Case) -> None:
    """In bfloat16 the loss is that of full precision as far as its digits go, and gradients are finite; over a feature
    cache of bfloat16, too.
    """
    case.recommender.eval()
    expected = float(case.recommender.loss(case.batch, case.inputs).detach())
    kept = {name: [level.bfloat16() for level in levels] for name, levels in (case.inputs.states or {}).items()}
    for inputs in (case.inputs, *([replace(case.inputs, states=kept)] if kept else [])):
        _check_half(case, inputs, expected)


def _check_half(case: Case, inputs: ItemInputs, expected: float) -> None:
    case.recommender.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss = case.recommender.loss(case.batch, inputs)
    loss.backward()
    gradients = [parameter.grad for parameter in case.recommender.parameters() if parameter.grad is not None]
    if not all(gradient.isfinite().all() for gradient in gradients):
        raise CheckFailed("half precision: gradients are not finite in bf16")
    if not abs(float(loss.detach()) - expected) <= _HALF * abs(expected):
        raise CheckFailed(f"half precision: the loss is {float(loss.detach()):.4g} in bf16, and {expected:.4g} in fp32")


def check_all(build: Build, start: float | None = START) -> None:
    """Every rule that one method alone can be held to, in the order in which a fault explains the others."""
    check_rates(build())
    check_start(build(), start)
    check_embeddings(build())
    check_step(build())
    check_frozen_towers(build())
    check_restored(build)
    check_half_precision(build())


def _read(encoder: nn.Module) -> Iterator[tuple[Tower, tuple[int, ...]]]:
    """The towers that an encoder runs, with the levels that are read of them."""
    levels: dict[Tower, tuple[int, ...]] = {
        reader.tower(name): read
        for reader in encoder.modules()
        if isinstance(reader, TowerReader)
        for name, read in reader.levels.items()
    }
    for tower in encoder.modules():
        if isinstance(tower, Tower):
            yield tower, levels.get(tower, (OUTPUT,))


def _moved(tower: Tower, pristine: Tower, levels: tuple[int, ...], case: Case) -> float:
    """How far what a tower gives is from what it gave; 0 of one that is only read above cached states, or dropped."""
    if isinstance(tower, ResumedTower) or not any(parameter.requires_grad for parameter in tower.parameters()):
        return 0.0
    with torch.no_grad():
        ours, theirs = (each.eval().states(case.inputs, levels) for each in (tower, pristine))
    return max(apart(one, other) for one, other in zip(ours, theirs, strict=True))


def _gradients_apart(one: Case, other: Case) -> float:
    pairs = zip(_gradients(one), _gradients(other), strict=True)
    largest = max([1.0, *(float(gradient.abs().max()) for gradient in _gradients(other))])
    return max(float((a - b).abs().max()) for a, b in pairs) / largest


def _gradients(case: Case) -> list[Tensor]:
    return [p.grad for p in case.recommender.parameters() if p.requires_grad and p.grad is not None and p.grad.numel()]
