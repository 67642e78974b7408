"""`tpmebench.testing.check_method` passes sound methods, and tells what each broken one breaks in one sentence."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tpmebench.errors import BenchError
from tpmebench.methods import (
    Backbones,
    FusedEncoder,
    ItemInputs,
    LearningRates,
    Method,
    Options,
    Tower,
    TowerMethod,
    TowerRates,
    methods,
    registry,
    trainable,
)
from tpmebench.methods.decoupled.frozen import Frozen
from tpmebench.methods.embedded.bitfit import BitFit
from tpmebench.methods.references.popularity import Popularity
from tpmebench.testing import CheckFailed, check_method


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What these tests make known is forgotten again."""
    monkeypatch.setattr(registry._registry, "_classes", dict(methods()))
    yield


class NormOptions(Options):
    rate: float = 4e-4


class Norms(TowerMethod):
    """Trains what normalisation scales and shifts by."""

    options = NormOptions
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        for name, parameter in tower.named_parameters():
            parameter.requires_grad_("norm" in name.lower())


class Thawed(Frozen):
    """Is beside the towers, and trains the biases in them."""

    def item_encoder(self, backbones: Backbones, width: int) -> Any:
        encoder = super().item_encoder(backbones, width)
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(parameter.requires_grad or name.endswith("bias"))
        return encoder

    def learning_rates(self, encoder: Any) -> LearningRates:
        return LearningRates({"all": (trainable(encoder), 1e-3)}, head=1e-3)


class Drifting(Frozen):
    """Moves a frozen tower by its own hand."""

    def after_update(self, encoder: nn.Module, step: int) -> None:
        with torch.no_grad():
            next(each for each in encoder.parameters() if not each.requires_grad).add_(0.1)


class Forgetful(BitFit):
    """Gives the fusion no rate."""

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        rates = super().learning_rates(encoder)
        return LearningRates({name: group for name, group in rates.groups.items() if name != "fusion"}, rates.head)


class Generous(BitFit):
    """Gives a rate to what is frozen."""

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return LearningRates({"all": (list(encoder.parameters()), 1e-3)}, head=1e-3)


class Centred(FusedEncoder):
    """Takes the mean over the batch away."""

    def forward(self, inputs: ItemInputs) -> Tensor:
        found = super().forward(inputs)
        return found - found.mean(0)


class Mixing(Norms):
    """Mixes the items of a batch."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        encoder = super().item_encoder(backbones, width)
        encoder.__class__ = Centred
        return encoder


class Blind(Norms):
    """Gives every item one embedding."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        encoder = super().item_encoder(backbones, width)
        with torch.no_grad():
            encoder.fusion.weight.zero_()
        return encoder


class Redrawn(Norms):
    """Draws a layer of each tower anew."""

    def adapt(self, tower: Tower) -> None:
        super().adapt(tower)
        for parameter in tower.layers[-1].parameters():
            nn.init.normal_(parameter)


class Shifted(Norms):
    """Changes what the towers give, and none of their weights."""

    def adapt(self, tower: Tower) -> None:
        super().adapt(tower)
        tower.layers[0].register_forward_hook(moved)


def moved(_layer: nn.Module, _args: object, output: Any) -> Any:
    """A layer's output, moved."""
    return (output[0] + 1, *output[1:]) if isinstance(output, tuple) else output + 1


class Remembering(FusedEncoder):
    """Adds what no state holds."""

    def forward(self, inputs: ItemInputs) -> Tensor:
        return super().forward(inputs) + self.kept  # type: ignore[operator]


class Unsaved(Norms):
    """Keeps what it learns in a plain attribute."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        encoder: Any = super().item_encoder(backbones, width)
        encoder.__class__, encoder.kept = Remembering, 0.0
        return encoder

    def after_update(self, encoder: Any, step: int) -> None:
        encoder.kept = 0.01 * step


class Awake(Frozen):
    """Lets its frozen towers draw dropout."""

    def item_encoder(self, backbones: Backbones, width: int) -> Any:
        encoder = super().item_encoder(backbones, width)
        encoder.reader.train = lambda mode=True: nn.Module.train(encoder.reader, mode)
        return encoder


BROKEN: list[tuple[type[Method[Any]], str]] = [
    (Thawed, "nothing else: a method beside the towers trains parameters inside them"),
    (Drifting, "nothing else: a training step changes 'item_encoder.reader.*', which is frozen"),
    (Forgetful, "gradients reach: 'projections.text.weight' is trained and has no learning rate"),
    (Generous, "gradients reach: 'reader.*' has a learning rate and is frozen"),
    (Mixing, "one embedding an item: an item alone and beside others differ by .* must not reach another's"),
    (Blind, "tells items apart: two different items have the same embedding"),
    (Redrawn, "starts from the towers: '.*' of the text tower is changed before training"),
    (Shifted, "starts from the towers: before training the text tower's states differ from the pretrained one's by"),
    (Unsaved, "restored by what is saved: built anew .* gives other embeddings"),
    (Awake, "frozen towers: the text tower is in train mode"),
]


@pytest.mark.parametrize(("method", "expected"), BROKEN, ids=[method.__name__ for method, _ in BROKEN])
def test_a_broken_method_is_told_by_the_rule_that_it_breaks(method: type[Method[Any]], expected: str) -> None:
    monkey_family(method)
    with pytest.raises(CheckFailed, match=f"^method '.*{method.__name__}': {expected}") as found:
        check_method(method)
    assert "\n" not in str(found.value)


def monkey_family(method: type[Method[Any]]) -> None:
    """The family that a class from outside says itself."""
    method.family = "decoupled" if issubclass(method, Frozen) else "embedded"


@pytest.mark.parametrize(
    ("method", "start"),
    [(Norms, 1e-6), (methods()["iisan-cached"], 1e-6), (methods()["sasrec-id"], 1e-6), (methods()["ssf"], 0.2)],
    ids=["outside", "iisan-cached", "sasrec-id", "ssf"],
)
def test_a_sound_method_passes_and_nothing_of_the_caller_s_is_changed(method: Any, start: float) -> None:
    torch.manual_seed(4)
    drawn = torch.rand(1)
    torch.manual_seed(4)
    check_method(method, start=start)
    assert torch.equal(torch.rand(1), drawn)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: check_method(Norms, {"rat": 1}), "unknown option of method '.*Norms' 'rat': did you mean 'rate'"),
        (lambda: check_method(dict), "is no subclass of tpmebench.methods.method.Method"),  # type: ignore[arg-type]
        (lambda: check_method(TowerMethod), "is abstract: adapt"),
        (lambda: check_method(Popularity), "a ranking that trains nothing"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_method_is_said(check: Callable[[], None], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        check()
