"""Asks a loaded model what it is, by running a few items through it: never its name, never what its kind usually is."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BenchError
from .anatomy import Anatomy, Level, Place
from .pooled import Reading
from .positions import longest_text
from .stack import Run, Stack, find_stack, watch
from .trial import SAME, Items, call_model, check_callable, close, takes


def inspect(model: nn.Module, items: Items, made_up: Sequence[str] = ()) -> Anatomy:
    """What a model is, of which nothing else is used: it may lose layers. `made_up`: parameters that its files lack.

    BenchError says what was looked for and not found, or what makes its states useless.
    """
    model = model.eval()
    check_callable(model, items)
    with torch.enable_grad(), torch.device("cpu"):
        masks, seen = _stable_run(model, items)
        stack = find_stack(model, seen, len(items))
        hidden = getattr(seen.output, "last_hidden_state", None)
        if not isinstance(hidden, Tensor):
            raise _not_found(model, "output named last_hidden_state")
        output = _level(hidden, items)
        reading = Reading(model, items, seen, output)
        levels = tuple(_level(state, items) for state in (stack.calls[0].taken, *(call.given for call in stack.calls)))
        first = levels[0].ordered(stack.calls[0].taken)
        prefix = _prefix(first) if items.pixels is not None else 0
        causal = items.ids is not None and _is_causal(model, output.ordered(hidden), items)
        own, place, norm, pooler = reading.own_pooling(prefix, causal)
        pooled = getattr(seen.output, "pooler_output", None)
        found = Anatomy(
            model=type(model).__name__,
            layers=tuple(call.name for call in stack.calls),
            stack=stack.name,
            levels=levels,
            output=output,
            pooled=pooled[0].numel() if isinstance(pooled, Tensor) else 0,
            causal=causal,
            prefix=prefix,
            class_token=items.frame.class_token if items.frame else None,
            fixed=_fixed(first, items),
            own=own,
            place=place,
            norm=norm,
            pooler=pooler,
            unread=_unread(model, hidden, norm),
            unread_pooled=_unread(model, pooled, "") if isinstance(pooled, Tensor) else (),
            made_up=tuple(made_up),
            sees_padding=items.ids is not None and _sees_padding(model, items, output.ordered(hidden)),
            positions=longest_text(model) if items.ids is not None else None,
            attention=_attention(model),
            masks=masks,
        )
    return found.model_copy(update={"droppable": _is_droppable(model, items, stack, masks)})


def _stable_run(model: nn.Module, items: Items) -> tuple[bool, Run]:
    """A run that gives the same item the same states, and whether the model had to be kept from masking for it."""
    config: Any = getattr(model, "config", None)
    maskable = hasattr(config, "mask_ratio") and takes(model, "noise")
    for masks in (False, True) if maskable else (False,):
        if masks:
            config.mask_ratio = 0.0
        seen = watch(model, lambda masks=masks: call_model(model, items, masks))
        hidden = getattr(seen.output, "last_hidden_state", None)
        if not isinstance(hidden, Tensor):
            return masks, seen  # which is found out next
        if not hidden.isfinite().all():
            raise BenchError(f"{type(model).__name__}: gives states that are not finite; fetch its weights again")
        with torch.no_grad():
            again = call_model(model, items.row(0), masks).last_hidden_state
        if close(hidden[:1], hidden[-1:]) and close(hidden[:1], again, 1e-3):
            return masks, seen
    raise BenchError(
        f"{type(model).__name__}: gives the same item other states each time that it is asked, also when it does not "
        "train; choose another backbone"
    )


def _level(states: Tensor, items: Items) -> Level:
    """Which axis of some states is the items', and which their width's: the one that is neither items nor positions."""
    shape, count = states.shape, len(items)
    rows = shape.index(count) if count in shape else 0
    rest = [axis for axis in range(len(shape)) if axis != rows]
    columns = rest[-1]
    if items.ids is not None and len(rest) == 2:
        length = items.ids.shape[1]
        columns = next((axis for axis in reversed(rest) if shape[axis] != length), rest[-1])
    elif len(rest) == 3 and shape[rest[1]] == shape[rest[2]]:
        columns = rest[0]  # width, then height and width of a picture
    return Level(width=shape[columns], items=rows, columns=columns)


def _prefix(first: Tensor) -> int:
    """How many leading positions two pictures have alike."""
    same = (first[0] - first[1]).abs().amax(-1) <= SAME * first.abs().max()
    return 0 if bool(same.all()) else int((~same).int().argmax())


def _fixed(first: Tensor, items: Items) -> tuple[Place, ...]:
    """Where all items have the same level 0. Of texts the tokenizer has to put the same token there, too."""
    if items.mask is None or items.frame is None:
        return ("cls",) if first.shape[1] > 1 and close(first[0, 0], first[1, 0]) else ()
    if first.shape[1] != items.mask.shape[1]:
        return ()
    last = items.mask.sum(1) - 1
    ends = first[torch.arange(len(last)), last]
    places: list[Place] = []
    if items.frame.before and close(first[0, 0], first[2, 0]):
        places.append("cls")
    if items.frame.after and close(ends[0], ends[2]):
        places.append("last")
    return tuple(places)


def _is_causal(model: nn.Module, states: Tensor, items: Items) -> bool:
    """Whether changing a word leaves every state before it as it was.

    BenchError where it leaves those after it, too: some attentions give nothing where their own kernel is lacking.
    """
    assert items.ids is not None and items.frame is not None
    changed = int((items.ids[0] != items.ids[1]).int().argmax())
    if states.shape[1] != items.ids.shape[1] or changed == 0 or not close(states[0, :changed], states[1, :changed]):
        return False
    if items.frame.after and close(states[0, changed + 1 :], states[1, changed + 1 :]):
        raise _not_found(model, "position that sees another")
    return True


def _sees_padding(model: nn.Module, items: Items, states: Tensor) -> bool:
    """Whether a text's states depend on what stands after its end in a batch, whatever the mask says."""
    assert items.mask is not None
    kept = int(items.mask[2].sum())
    with torch.no_grad():
        alone = call_model(model, items.row(2), False).last_hidden_state
    if states.shape[1] != items.mask.shape[1]:
        return True
    return not close(alone.flatten(), states[2, :kept].flatten(), 1e-3)


def _unread(model: nn.Module, output: Tensor, spared: str) -> tuple[str, ...]:
    """Parameters on which an output does not depend, by its graph, but those of the module `spared`."""
    reached, ahead = set[int](), [output.grad_fn]
    met = set(ahead)
    while ahead:
        step = ahead.pop()
        variable = getattr(step, "variable", None)
        if variable is not None:
            reached.add(id(variable))
        following = [each for each, _ in getattr(step, "next_functions", ()) if each is not None and each not in met]
        met.update(following)
        ahead += following
    names = [name for name, parameter in model.named_parameters() if id(parameter) not in reached]
    return tuple(name for name in names if not (spared and name.startswith(f"{spared}.")))


def _attention(model: nn.Module) -> Any:
    """Which attention runs; "none" where no module says that it is one."""
    if not any("attention" in type(module).__name__.lower() for module in model.modules()):
        return "none"
    return "sdpa" if getattr(model.config, "_attn_implementation", None) == "sdpa" else "eager"


def _is_droppable(model: nn.Module, items: Items, stack: Stack, masks: bool) -> bool:
    """Whether the model still runs, and its first layer gives the same, when all others are taken off. They are."""
    layers: Any = model.get_submodule(stack.name)
    names = [call.name for call in stack.calls]
    alike = {call.given.shape for call in stack.calls} == {stack.calls[0].taken.shape}
    if not alike or not isinstance(layers, nn.ModuleList) or names != [f"{stack.name}.{k}" for k in range(len(layers))]:
        return False
    del layers[1:]
    try:
        with torch.no_grad(), torch.device("cpu"):
            seen = watch(model, lambda: call_model(model, items, masks))
    except Exception:  # whatever a model says that wants all of its layers
        return False
    given = [call.given for call in seen.calls if call.name == names[0]]
    return len(given) == 1 and close(given[0], stack.calls[0].given)


def _not_found(model: nn.Module, what: str) -> BenchError:
    return BenchError(f"{type(model).__name__}: no {what} found; choose another backbone")
