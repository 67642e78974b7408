"""Whether towers and methods do what they say, tried on a few real items before hours are spent: a check each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BenchError
from ...methods.backbones.last_layer import narrow_last_layer
from ...methods.backbones.tower import OUTPUT, Tower
from ...methods.encoder import layout_of
from ...methods.fusion import TowerMethod
from ...methods.inputs import ItemInputs
from ...methods.method import Method, trainable

SAME = 1e-6
"""Vectors no further apart are one vector. Like every distance here it is a share of the largest number in them."""
_TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
_ON_A_CARD = 5e-3
"""Of fp32 there: convolutions round to TF32."""
_STORED = {"float32": 0.0, "float16": 2e-3, "bfloat16": 1.6e-2}


_NONE = torch.zeros(())
_ATTEMPTS = 8


class CheckFailed(BenchError):
    """A check that a tower or a method did not pass: which one, and what was seen."""


@dataclass(frozen=True)
class Tolerance:
    """How far apart two ways to one vector may be: computed twice, and kept in the feature cache."""

    states: float
    cached: float

    @classmethod
    def of(cls, precision: str, cache_dtype: str, device: str) -> "Tolerance":
        """That of a cell's precision, of what its cache is kept in, and of its device."""
        states = max(_TOLERANCES[precision], _ON_A_CARD if device != "cpu" else 0.0)
        return cls(states, states + _STORED[cache_dtype])


Levels = dict[int, Tensor]
"""What a tower gives of some items, by level: `[items, width]` each."""


@dataclass(frozen=True)
class Seen:
    """What a tower gave of some items: at once, and one by one."""

    inputs: ItemInputs
    together: Levels
    alone: list[Levels]


def see(tower: Tower, inputs: ItemInputs) -> Seen:
    """Every level of a tower, in eval mode."""
    return Seen(inputs, _levels(tower, inputs), [_levels(tower, one) for one in one_by_one(inputs)])


def check_repeats(tower: Tower, seen: Seen, tolerance: Tolerance) -> None:
    """An item gives the same vectors however often it is asked for."""
    again = _levels(tower, next(one_by_one(seen.inputs)))
    _alike("repeats itself", "an item asked for twice", seen.alone[0], again, tolerance.states)


def check_alone(seen: Seen, tolerance: Tolerance) -> None:
    """An item gives the same vectors alone as beside others, longer or not."""
    joined = {number: torch.cat([each[number] for each in seen.alone]) for number in seen.together}
    _alike("alone as in a batch", "an item alone and beside others", joined, seen.together, tolerance.states)


def check_tells_apart(tower: Tower, seen: Seen) -> None:
    """Items that show something else give other vectors."""
    ones, output = [_shown(tower, one) for one in one_by_one(seen.inputs)], seen.together[OUTPUT]
    for number, one in enumerate(ones):
        for earlier, other in enumerate(ones[:number]):
            if not torch.equal(one, other) and apart(output[number], output[earlier]) <= SAME:
                what = "titles" if tower.shape.modality == "text" else "pictures"
                raise CheckFailed(f"tells items apart: two different {what} give the same vector")


def check_cached(levels: tuple[int, ...], cached: list[Tensor], seen: Seen, tolerance: Tolerance) -> None:
    """The feature cache holds what the tower gives, at every level that is read."""
    kept = {number: state.float().cpu() for number, state in zip(levels, cached, strict=True)}
    live = {number: seen.together[number].cpu() for number in levels}
    _alike("cached as live", "the feature cache and the tower", live, kept, tolerance.cached)


def check_cut(tower: Tower, copy: Tower, seen: Seen, tolerance: Tolerance) -> None:
    """Cutting the last layer (of `copy`) to one position changes neither what is read of an item nor a gradient."""
    hooks = _hooks(copy)
    narrow_last_layer(copy)
    if _hooks(copy) == hooks:
        return  # it stays whole
    one, what = next(one_by_one(seen.inputs)), "the last layer cut to one position and whole"
    _alike("cut as whole", what, seen.alone[0], _levels(copy, one), tolerance.states)
    before, after = _gradients(tower, one), _gradients(copy, one)
    largest = max(float(gradient.abs().max()) for gradient in before.values())
    for name in before.keys() | after.keys():
        change = before.get(name, _NONE) - after.get(name, _NONE)
        if float(change.abs().max()) > 10 * tolerance.states * largest:
            raise CheckFailed(f"cut as whole: cutting the last layer to one position changes the gradient of {name}")


def check_trains(method: Method[Any], encoder: nn.Module, inputs: ItemInputs) -> None:
    """Gradients reach what the method says that it trains and nothing else, in every tower that it says it trains.

    `encoder` is the method's own. Of every tower's layer, and of every part beside the towers, that has something to
    train some of it is reached; key biases, say, move no loss at the start.
    """
    check_selection(method, encoder)
    frozen = {name: buffer.clone() for name, buffer in frozen_buffers(encoder)}
    missed: list[str] = []
    for _ in range(_ATTEMPTS):  # stochastic depth leaves a layer out now and then
        vectors = encoder.train()(inputs)
        weights = torch.linspace(-1, 1, vectors.numel(), device=vectors.device).view_as(vectors)
        (vectors * weights).sum().backward()
        missed = list(_missed(encoder))
        if not missed:
            break
    for name, buffer in frozen_buffers(encoder):
        if not torch.equal(buffer, frozen[name]):
            raise CheckFailed(f"nothing else: a training step changes '{name}' of a tower that is not trained")
    if missed:
        raise CheckFailed(f"gradients reach: none reaches {missed[0]}, which the method trains")


def _missed(encoder: nn.Module) -> Iterator[str]:
    """What is trained and has no gradient but zero."""
    for part, parameters in _parts(encoder):
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if any(not gradient.isfinite().all() for gradient in gradients):
            raise CheckFailed(f"gradients reach: they are not finite in {part}")
        if not any(gradient.abs().max() > 0 for gradient in gradients if gradient.numel()):
            yield part


def one_by_one(inputs: ItemInputs) -> Iterator[ItemInputs]:
    """Each item alone, its text without padding."""
    for number in range(len(inputs.items)):
        yield inputs.rows(torch.tensor([number]))


def _levels(tower: Tower, inputs: ItemInputs) -> Levels:
    numbers = (*range(tower.shape.depth + 1), OUTPUT)
    with torch.no_grad():
        states = tower.eval().states(inputs, numbers)
    rows = (len(inputs.items), -1)  # a level that all items share comes once
    return {number: state.float().expand(rows) for number, state in zip(numbers, states, strict=True)}


def check_selection(method: Method[Any], encoder: nn.Module) -> None:
    """What is trained has a rate, and some of it is inside the towers if the method says so."""
    _check_rated(method, encoder)
    towers = [module for module in encoder.modules() if isinstance(module, Tower)]
    empty = [tower.shape.modality for tower in towers if not trainable(tower)]
    missing = [name for name in empty if isinstance(method, TowerMethod) and name not in method.untouched]
    if method.trains_inside and empty and (missing or len(empty) == len(towers)):
        name = (missing or empty)[0]
        raise CheckFailed(f"trains inside: nothing in the {name} tower is trained, as a method of its family does")
    if not method.trains_inside and len(empty) < len(towers):
        raise CheckFailed("nothing else: a method beside the towers trains parameters inside them")


def _check_rated(method: Method[Any], encoder: nn.Module) -> None:
    """What is trained stands in one group of learning rates, and nothing else does."""
    rated = [each for parameters, _ in method.learning_rates(encoder).groups.values() for each in parameters]
    times = Counter(map(id, rated))
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    for parameter in trainable(encoder):
        if times[id(parameter)] != 1:
            fault = "stands in several groups" if times[id(parameter)] else "has no learning rate"
            raise CheckFailed(f"gradients reach: '{names[id(parameter)]}' is trained and {fault}")
    for parameter in rated:
        if id(parameter) not in names:
            raise CheckFailed("gradients reach: a parameter that is not the encoder's has a learning rate")
        if not parameter.requires_grad:
            raise CheckFailed(f"gradients reach: '{names[id(parameter)]}' has a learning rate and is frozen")


def _parts(encoder: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
    """What of an encoder is trained, by the layer of a tower or by the part that it is in."""
    inside = set[int]()
    for tower in [module for module in encoder.modules() if isinstance(module, Tower)]:
        names = {module: name for name, module in tower.model.named_modules()}
        for layer in dict.fromkeys(tower.layers):
            if parameters := trainable(layer):
                inside |= {id(parameter) for parameter in parameters}
                yield f"layer '{names[layer]}' of the {tower.shape.modality} tower", parameters
    for name, part in layout_of(encoder).parts.items():
        if parameters := [each for each in part if each.requires_grad and id(each) not in inside]:
            yield f"the {name}", parameters


def frozen_buffers(encoder: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The buffers of the towers of which nothing is trained, by modality and name."""
    for tower in encoder.modules():
        if isinstance(tower, Tower) and not trainable(tower):
            yield from tower.named_buffers(prefix=tower.shape.modality)


def _gradients(tower: Tower, inputs: ItemInputs) -> dict[str, Tensor]:
    """The output's gradients, in eval mode, of the parameters in the last two layers: a cut reaches no further."""
    names = {parameter: name for name, parameter in tower.eval().named_parameters()}
    parameters = dict.fromkeys(parameter for layer in tower.layers[-2:] for parameter in layer.parameters())
    for parameter in parameters:
        parameter.requires_grad_()
    output = tower(inputs).float()
    loss = (output * torch.linspace(-1, 1, output.numel(), device=output.device).view_as(output)).sum()
    found = torch.autograd.grad(loss, list(parameters), allow_unused=True)
    return {names[key]: gradient for key, gradient in zip(parameters, found, strict=True) if gradient is not None}


def _alike(check: str, what: str, ones: Levels, others: Levels, most: float) -> None:
    for number, one in ones.items():
        distance = apart(one, others[number])
        if not distance <= most:
            level = "the output" if number == OUTPUT else f"level {number}"
            raise CheckFailed(f"{check}: {what} differ by {distance:.1e} at {level}, where {most:.0e} is rounding")


def apart(one: Tensor, other: Tensor) -> float:
    """The largest distance of two vectors, as a share of the largest number in them."""
    largest = max(float(one.abs().max()), float(other.abs().max()), torch.finfo(torch.float32).tiny)
    return float((one - other).abs().max()) / largest


def _shown(tower: Tower, one: ItemInputs) -> Tensor:
    shown = one.text.ids if tower.shape.modality == "text" and one.text is not None else one.pixels
    assert shown is not None, "these are the tower's own inputs"
    return shown


def _hooks(tower: Tower) -> int:
    return sum(len(module._forward_pre_hooks) for module in tower.modules())
