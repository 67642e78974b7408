"""Where a training step stands: the module that computes, and whether forward, backward or in the update."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from ..meters.clocks import Phase, PhaseClock

_PREFIX = "item_encoder."


@dataclass(frozen=True)
class Place:
    """A module by its name in the recommender, "" for the recommender itself, and the moment of a step."""

    module: str
    moment: str


class Whereabouts(PhaseClock):
    """A clock that knows which phase it times, told by hooks which module of a recommender computes meanwhile.

    Backward a module counts from where the gradient of its output is taken up until that of another is: what is found
    there stands in the module or in what its parent did with its input.
    """

    def __init__(self, recommender: nn.Module) -> None:
        super().__init__()
        self._moment: Phase = "data"
        self._running: list[str] = []
        self._backward = ""
        self._hooks: list[Any] = []
        for name, module in recommender.named_modules():
            self._hooks.append(module.register_forward_pre_hook(self._enter(name)))
            self._hooks.append(module.register_forward_hook(self._leave(name), always_call=True))

    def phase(self, name: Phase) -> Any:
        """As of a clock; remembers the name."""
        self._moment = name
        if name == "update":
            self._backward = ""
        return super().phase(name)

    def here(self) -> Place:
        """Where the step stands now."""
        module = self._running[-1] if self._running else self._backward
        return Place(module.removeprefix(_PREFIX), self._moment)

    def remove(self) -> None:
        """Takes the hooks away."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self._running.append(name)

    def _leave(self, name: str) -> Callable[..., None]:
        def began(*_: Any) -> None:
            self._backward = name

        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            while self._running and self._running.pop() != name:
                pass  # a module that an exception left
            node = output.grad_fn if isinstance(output, torch.Tensor) else None
            if node is not None:
                cast("Any", node).register_prehook(began)

        return hook
