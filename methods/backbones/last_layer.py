"""Spares a tower's last layer what nothing reads: all that follows its attention, but at the pooled position."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .flow import run_tiny
from .projections import maps_after_attention
from .tower import Tower

_SHIFT = 0.02


def narrow_last_layer(tower: Tower) -> None:
    """Runs what follows the last layer's attention at `[CLS]` alone; all that the tower hands out stays as it is.

    The residual connections add the one position to all of them, so the others are wrong from there on, and unread:
    after its attention a layer mixes no positions. Nothing changes where pooling is anywhere else, where the maps are
    not found, and where a trial shows that the layer gives something else at `[CLS]` then. What is trained is moved for
    the trial: of an update that starts at zero it would show nothing.
    """
    if tower.shape.pooling != "cls":
        return
    with _in_full_precision(tower), _moved(tower.layers[-1]):
        try:
            maps, before = maps_after_attention(tower), _trial(tower)
        except Exception:  # whatever a model raises: it stays whole
            return
        handles = [linear.register_forward_pre_hook(_first_position) for linear in maps]
        try:
            alike = before is None or _alike(before, _trial(tower))
        except Exception:
            alike = False
        if not alike:
            for handle in handles:
                handle.remove()


def _in_full_precision(tower: Tower) -> AbstractContextManager[Any]:
    """Autocast would keep the halves of what is moved, and run with them once it has been put back."""
    kind = next(tower.parameters()).device.type
    autocast = kind != "meta" and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if autocast else nullcontext()


@contextmanager
def _moved(layer: nn.Module) -> Iterator[None]:
    """What a layer trains is somewhere else for a while."""
    trained = [parameter for parameter in layer.parameters() if parameter.requires_grad and not parameter.is_meta]
    kept, generator = [parameter.detach().clone() for parameter in trained], torch.Generator().manual_seed(0)
    try:
        for parameter in trained:
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.data.add_(_SHIFT * noise)
        yield
    finally:
        for parameter, value in zip(trained, kept, strict=True):
            parameter.data.copy_(value)


class _Arrived(Exception):
    """No error: what the first layer is about to be given."""


def _trial(tower: Tower) -> Tensor | None:
    """What the last layer gives at `[CLS]` of what a tiny batch gives the first; None on the meta device."""
    if next(tower.parameters()).device.type == "meta":
        return None

    def stop(_layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _Arrived(args, kwargs)

    modes = {module: module.training for module in tower.modules()}
    handle = tower.layers[0].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            try:
                run_tiny(tower.eval())
            except _Arrived as arrived:
                args, kwargs = arrived.args
                handle.remove()
                output = tower.layers[-1](*args, **kwargs)
                return (output[0] if isinstance(output, tuple) else output)[:, 0]
        raise RuntimeError("no layer was run")
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training


def _alike(before: Tensor, after: Tensor | None) -> bool:
    return after is not None and torch.allclose(before, after, rtol=1e-4, atol=1e-5 * float(before.abs().max()))


def _first_position(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    hidden, *rest = args
    return (hidden[:, :1], *rest) if hidden.dim() == 3 else args
