"""Every self-check passes with sound towers and methods, and is seen to fail with ones that are made to break it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from cells import method_of, tried_on_all
from torch import Tensor, nn

from tpmebench.bench.worker import checks
from tpmebench.bench.worker.checks import CheckFailed, Tolerance, see
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.projections import projections
from tpmebench.methods.backbones.tower import OUTPUT, Tower
from tpmebench.methods.decoupled.frozen import Frozen
from tpmebench.methods.embedded.bitfit import BitFit
from tpmebench.methods.embedded.fft import FullFineTuning
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.inputs import ItemInputs
from tpmebench.methods.method import LearningRates
from tpmebench.methods.registry import methods

MakeTower = Callable[[str, str], Tower]
TOLERANCE = Tolerance.of("fp32", "float16", "cpu")
TOWERS = [("text", "bert"), ("text", "qwen2"), ("image", "vit"), ("image", "dinov2"), ("image", "clip")]
TRAINED = [name for name, method in methods().items() if method.kind == "method" and not method.uncached]


@pytest.fixture
def items(tiny_content: RawContent) -> ItemInputs:
    return tiny_content.gather(torch.tensor([2, 3, 1]))


def check_tower(tower: Tower, copy: Tower, items: ItemInputs) -> None:
    seen = see(tower, items)
    checks.check_repeats(tower, seen, TOLERANCE)
    checks.check_alone(seen, TOLERANCE)
    checks.check_tells_apart(tower, seen)
    checks.check_cut(tower, copy, seen, TOLERANCE)
    cached = [level.half() for level in seen.together.values()]
    checks.check_cached(tuple(seen.together), cached, seen, TOLERANCE)


@pytest.mark.parametrize(("modality", "name"), TOWERS)
def test_sound_towers_pass(tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str) -> None:
    check_tower(tiny_tower(modality, name), tiny_tower(modality, name), items)


Change = Callable[[Tensor], Tensor]


def changed(tower: Tower, change: Change, number: int = 0) -> Tower:
    """A tower one of whose layers gives something else."""
    layer = tower.layers[number]

    def hook(_layer: nn.Module, _args: Any, output: Any) -> Any:
        return change(output) if isinstance(output, Tensor) else (change(output[0]), *output[1:])

    layer.register_forward_hook(hook)
    return tower


BROKEN: dict[str, tuple[str, Change]] = {
    "noise in eval mode": ("repeats itself: an item asked for twice", lambda h: h + 0.01 * torch.randn_like(h)),
    "a mean over the batch": ("alone as in a batch: an item alone", lambda h: h - h.mean(0, keepdim=True)),
    "a mean over the padding": ("alone as in a batch: an item alone", lambda h: h + h.mean(1, keepdim=True)),
    "no look at its input": ("tells items apart: two different titles", lambda h: torch.ones_like(h)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_tower_that_breaks_a_check_fails_it(tiny_tower: MakeTower, items: ItemInputs, what: str) -> None:
    expected, change = BROKEN[what]
    tower, copy = (changed(tiny_tower("text", "bert"), change) for _ in range(2))
    with pytest.raises(CheckFailed, match=expected):
        check_tower(tower, copy, items)


def test_pictures_that_are_not_looked_at_are_not_told_apart(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = changed(tiny_tower("image", "vit"), torch.ones_like, 1)
    with pytest.raises(CheckFailed, match="tells items apart: two different pictures give the same vector"):
        checks.check_tells_apart(tower, see(tower, items))
    assert items.pixels is not None
    alike = replace(items, pixels=items.pixels[:1].expand_as(items.pixels))
    checks.check_tells_apart(tower, see(tower, alike))


def cut_queries(tower: Tower) -> None:
    """Of the last layer's keys, too, only one position is left."""
    key = projections(tower)[-1].attentions[0].value[0]
    tower.model.get_submodule(key).register_forward_pre_hook(lambda _module, args: (args[0][:, :1].expand_as(args[0]),))


def cut_gradients(tower: Tower) -> None:
    output = projections(tower)[-1].attentions[0].output
    tower.model.get_submodule(output).register_forward_pre_hook(lambda _module, args: (args[0].detach(),))


@pytest.mark.parametrize(
    ("cut", "expected"), [(cut_queries, r"whole differ by \S+ at level 4"), (cut_gradients, "changes the gradient of")]
)
def test_a_wrong_cut_of_the_last_layer_fails(
    tiny_tower: MakeTower, items: ItemInputs, cut: Any, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "narrow_last_layer", cut)
    tower, copy = (tiny_tower("text", "bert") for _ in range(2))
    with pytest.raises(CheckFailed, match=f"cut as whole: .*{expected}"):
        checks.check_cut(tower, copy, see(tower, items), TOLERANCE)


@pytest.mark.parametrize("level", [0, 2, OUTPUT])
def test_a_cache_of_another_content_fails(tiny_tower: MakeTower, items: ItemInputs, level: int) -> None:
    tower = tiny_tower("text", "qwen2")
    seen = see(tower, items)
    kept = {number: state.half() for number, state in seen.together.items()}
    kept[level] = kept[level].roll(1, 0)
    where = "the output" if level == OUTPUT else f"level {level}"
    with pytest.raises(CheckFailed, match=rf"cached as live: the feature cache and the tower differ by \S+ at {where}"):
        checks.check_cached(tuple(kept), list(kept.values()), seen, TOLERANCE)


def test_what_is_no_number_is_not_alike(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = changed(tiny_tower("text", "bert"), lambda h: h * torch.nan)
    with pytest.raises(CheckFailed, match="repeats itself"):
        checks.check_repeats(tower, see(tower, items), TOLERANCE)


def test_less_precision_is_given_more_room() -> None:
    rooms = [Tolerance.of(precision, "float32", "cpu").states for precision in ("fp32", "fp16", "bf16")]
    assert rooms == sorted(rooms) and rooms[0] < Tolerance.of("fp32", "float32", "cuda").states < rooms[1]
    assert Tolerance.of("fp32", "float16", "cpu").cached > Tolerance.of("fp32", "float32", "cpu").cached


@pytest.mark.parametrize(
    ("name", "pair"),
    [(name, pair) for name in TRAINED if tried_on_all(name) for pair in ("bert+vit", "causal+dinov2")],
)
def test_every_method_trains_what_it_says(
    tiny_backbones: Callable[..., Backbones], items: ItemInputs, name: str, pair: str
) -> None:
    if methods()[name].family == "reference":
        return
    method = method_of(name)
    checks.check_trains(method, method.item_encoder(tiny_backbones(pair), 8), items)


class Nothing(FullFineTuning):
    """Trains nothing of the image tower."""

    def adapt(self, tower: Tower) -> None:
        tower.requires_grad_(tower.shape.modality == "text")


class Forgetful(FullFineTuning):
    """Gives no rate to what it trains."""

    def learning_rates(self, encoder: Any) -> LearningRates:
        return LearningRates({}, head=1e-3)


class Thawed(Frozen):
    """Says that it is beside the towers, and trains a bias in each."""

    def item_encoder(self, backbones: Backbones, width: int) -> Any:
        encoder = super().item_encoder(backbones, width)
        for name in backbones.modalities:
            tower = encoder.reader.tower(name)  # type: ignore[union-attr]
            next(parameter for key, parameter in tower.named_parameters() if key.endswith("bias")).requires_grad_()
        return encoder

    def learning_rates(self, encoder: Any) -> LearningRates:
        return LearningRates({"all": ([p for p in encoder.parameters() if p.requires_grad], 1e-3)}, head=1e-3)


class Counting(nn.Linear):
    """Keeps count of what it is given, as a normalisation does of means."""

    def forward(self, input: Tensor) -> Tensor:
        self.seen += 1  # type: ignore[operator]
        return super().forward(input)


class Kept(Frozen):
    """A tower beside it changes while it is used."""

    def item_encoder(self, backbones: Backbones, width: int) -> Any:
        encoder = super().item_encoder(backbones, width)
        linear = next(module for module in encoder.reader.modules() if isinstance(module, nn.Linear))
        linear.register_buffer("seen", torch.zeros(()))
        linear.__class__ = Counting
        return encoder


Nothing.family = Forgetful.family = "full"
Thawed.family = Kept.family = "decoupled"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Nothing, "trains inside: nothing in the image tower is trained"),
        (Forgetful, r"'reader\..*' is trained and has no learning rate"),
        (Thawed, "nothing else: a method beside the towers trains parameters inside them"),
        (Kept, r"nothing else: a training step changes 'text.*seen' of a tower that is not trained"),
    ],
)
def test_a_method_that_does_not_train_what_it_says_fails(
    tiny_backbones: Callable[..., Backbones], items: ItemInputs, method: Any, expected: str
) -> None:
    made = method()
    with pytest.raises(CheckFailed, match=expected):
        checks.check_trains(made, made.item_encoder(tiny_backbones("bert+vit"), 8), items)


def test_a_tower_that_detaches_its_gradients_fails(tiny_tower: MakeTower, items: ItemInputs) -> None:
    for change, expected in (
        (Tensor.detach, "none reaches layer 'encoder.layer.0' of the text tower, which the method trains"),
        (lambda hidden: (hidden * torch.zeros_like(hidden)).sqrt(), "they are not finite in layer"),
    ):
        tower = changed(tiny_tower("text", "bert"), change, 1)
        backbones = Backbones({"text": tower.shape}, lambda _, tower=tower: tower, 3)
        encoder = BitFit().item_encoder(backbones, 8)
        with pytest.raises(CheckFailed, match=f"gradients reach: {expected}"):
            checks.check_trains(BitFit(), encoder, items)


def test_a_layer_that_is_left_out_now_and_then_is_reached(tiny_tower: MakeTower, items: ItemInputs) -> None:
    runs = iter(range(100))

    def skip(hidden: Tensor) -> Tensor:
        return hidden.detach() if next(runs) == 0 else hidden

    tower = changed(tiny_tower("text", "bert"), skip, 1)
    encoder = BitFit().item_encoder(Backbones({"text": tower.shape}, lambda _: tower, 3), 8)
    runs = iter(range(100))  # adapting may have run it
    checks.check_trains(BitFit(), encoder, items)
    assert next(runs) == 2
