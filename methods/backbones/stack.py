"""Finds a model's stack of layers by watching it run: modules of one list, each called on what the one before gave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BenchError
from .anatomy import first_tensor, states_in


@dataclass(frozen=True)
class Call:
    """A module that was called: its name, the states that went in and came out."""

    name: str
    taken: Tensor
    given: Tensor


@dataclass
class Run:
    """What one run of a model has shown: every call that turned states into states, and its output."""

    output: Any = None
    calls: list[Call] = field(default_factory=list)


def watch(model: nn.Module, run: Callable[[], Any]) -> Run:
    """Runs a model and notes what its modules were called with, in the order in which they ended.

    Of a list its members are watched and nothing within them, which would keep all that they compute.
    """
    seen, handles = Run(), []

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given, taken = first_tensor(output), states_in(args, kwargs)
            if given is not None and taken is not None and given.is_floating_point():
                seen.calls.append(Call(name, taken, given))

        return hook

    for name, module in _outside_layers(model):
        handles.append(module.register_forward_hook(note(name), with_kwargs=True))
    try:
        seen.output = run()
    finally:
        for handle in handles:
            handle.remove()
    return seen


@dataclass(frozen=True)
class Stack:
    """The list by name, and the calls of its members in order."""

    name: str
    calls: list[Call]


def find_stack(model: nn.Module, seen: Run, items: int) -> Stack:
    """The outermost list whose members ran one on another; of several the one with the most parameters.

    BenchError says what was looked for.
    """
    found: list[tuple[int, Stack]] = []
    for kind in (nn.ModuleList, nn.Sequential):
        for name, module in _outside_layers(model):
            if not isinstance(module, kind) or any(name.startswith(f"{stack.name}.") for _, stack in found):
                continue
            members = {f"{name}.{inner}" for inner in _members(module)}
            calls = [call for call in seen.calls if call.name in members and items in call.given.shape]
            if calls and _is_chain(calls):
                found.append((sum(parameter.numel() for parameter in module.parameters()), Stack(name, calls)))
        if found:
            return max(found, key=lambda each: each[0])[1]
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    raise BenchError(
        f"{type(model).__name__}: no stack of layers found: looked for a list of modules that run one after "
        f"another, each on what the one before gave; there are {', '.join(lists[:4]) or 'no lists'}; "
        "choose another backbone"
    )


def _outside_layers(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Every module by name, but what stands within a member of a list."""
    for name, child in model.named_children():
        yield f"{prefix}{name}", child
        is_member = isinstance(model, _LISTS) and not isinstance(child, _LISTS)
        if not is_member:
            yield from _outside_layers(child, f"{prefix}{name}.")


_LISTS = nn.ModuleList | nn.Sequential


def _members(module: nn.Module, prefix: str = "") -> list[str]:
    """What is called of a list, by name: its members, or theirs where they are lists."""
    names = []
    for name, child in module.named_children():
        inner = isinstance(child, nn.ModuleList)
        names += _members(child, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return names


def _is_chain(calls: list[Call]) -> bool:
    """Whether most calls take what the one before of the same list gave; between two stages other things may stand."""
    together = (pair for pair in pairwise(calls) if len({call.name.rpartition(".")[0] for call in pair}) == 1)
    links = [_same(before.given, after.taken) for before, after in together]
    return not links or sum(links) > len(links) / 2


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors hold the same numbers, be it with other axes: some models turn positions into a map between
    their layers.
    """
    if first is second or (first.shape == second.shape and torch.equal(first, second)):
        return True
    return first.numel() == second.numel() and torch.equal(first.flatten().sort()[0], second.flatten().sort()[0])
