"""What flows where in a tower's layers: a tiny batch goes through, and autograd's graph is read from map to map."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ...errors import BenchError
from ..inputs import ItemInputs
from .loading import copy_of_same_weights
from .pixels import USUAL_SIDE, configured_side
from .tower import Tower

T = TypeVar("T")

_LARGE = 10**9
"""Parameters of a tower that takes longer to run than to trace."""
_LENGTH, _CORNER = 8, 64
"""Of a text, in tokens; of a picture, in pixels."""


@dataclass(eq=False)
class MapCall:
    """One call of a linear map within a layer: its name in the tower's model, what it was given and what it gave."""

    name: str
    module: nn.Module
    given: Tensor
    gave: Tensor


@dataclass(frozen=True)
class Sources:
    """The calls whose outputs reach a tensor with no other map between, by their way there.

    `query` and `key` come through attention weights, on either side of the product under the softmax; `plain` any
    other way. `stream`: whether the layer's own input comes there past all maps. `attention`: whether any weights do.
    """

    plain: frozenset[MapCall]
    query: frozenset[MapCall]
    key: frozenset[MapCall]
    stream: bool
    attention: bool

    @property
    def any(self) -> frozenset[MapCall]:
        """All of them."""
        return self.plain | self.query | self.key


@dataclass(eq=False)
class LayerFlow:
    """The maps that a layer called, in order, the tensor that went into it, and how often the layer was run in all."""

    name: str
    stream: Tensor
    runs: int = 1
    calls: list[MapCall] = field(default_factory=list)

    def sources(self, call: MapCall) -> Sources:
        """Where what a call was given comes from."""
        return self._sources[call]

    @cached_property
    def read_by_attention(self) -> set[MapCall]:
        """The calls whose outputs an attention reads as they are."""
        found = [from_ for from_ in self._sources.values() if from_.attention]
        return {call for from_ in found for call in from_.plain | from_.query | from_.key}

    @cached_property
    def unattended(self) -> list[MapCall]:
        """The calls that depend on the layer's input and from which no attention is computed."""
        waiting, feeding = [*self.read_by_attention], set[MapCall]()
        while waiting:
            call = waiting.pop()
            if call not in feeding:
                feeding.add(call)
                waiting += self._sources[call].any
        return [call for call in self.calls if call in self.reads_stream and call not in feeding]

    @cached_property
    def _sources(self) -> dict[MapCall, Sources]:
        ends = {call.gave.grad_fn: call for call in self.calls}
        return {call: _trace(call.given, ends, self.stream) for call in self.calls}

    @cached_property
    def reads_stream(self) -> set[MapCall]:
        """The calls that depend on the layer's input: a table of positions, say, goes through maps without it."""
        found: set[MapCall] = set()
        for call in self.calls:  # what a call was given was computed before it
            from_ = self._sources[call]
            if from_.stream or from_.any & found:
                found.add(call)
        return found


def layer_flows(tower: Tower, kinds: tuple[type[nn.Module], ...]) -> list[LayerFlow]:
    """The flow of each layer that a tiny batch goes through, by its first run, over maps of these kinds.

    A corner of a picture will do, at a tenth of the work, where the model takes one. Raises whatever the model raises.
    """
    if tower.shape.modality == "image":
        with suppress(Exception):
            flows = seen_in_a_copy(tower, lambda copied: _flows(copied, kinds, _CORNER))
            if len(flows) == len(set(tower.layers)):
                return flows
    return seen_in_a_copy(tower, lambda copied: _flows(copied, kinds))


def seen_in_a_copy(tower: Tower, look: Callable[[Tower], T]) -> T:
    """What `look` sees of a copy of a tower, in eval mode: what a model keeps of the sizes that it has seen stays as it
    was. It is to run it with `run_tiny`, and to write no parameter, for they are the tower's own. A large one runs on
    the meta device, without numbers, if it can.
    """
    parameters = list(tower.parameters())
    if parameters[0].device.type != "meta" and sum(each.numel() for each in parameters) > _LARGE:
        with suppress(Exception):  # some models look at values, or keep tensors that cannot be moved
            empty = {id(tensor): _empty(tensor) for tensor in [*parameters, *tower.buffers()]}
            return look(copy.deepcopy(tower, empty).eval())
    return look(copy_of_same_weights(tower).eval())


@contextmanager
def looking_for(what: str, tower: Tower) -> Iterator[None]:
    """BenchError says what cannot be found where running a tower raises; on the meta device that goes through."""
    try:
        yield
    except Exception as error:  # whatever a model raises
        if next(tower.parameters()).is_meta:
            raise  # it tells nothing of the tower
        text = " ".join(str(error).split())[:200]
        raise BenchError(f"{type(tower.model).__name__}: {what} cannot be found ({text})") from error


def _empty(tensor: Tensor) -> Tensor:
    empty = tensor.detach().to("meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _flows(tower: Tower, kinds: tuple[type[nn.Module], ...], side: int | None = None) -> list[LayerFlow]:
    names = {module: name for name, module in tower.model.named_modules()}
    flows, running = dict[str, LayerFlow](), list[LayerFlow]()

    def enter(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if names[layer] in flows:
            flows[names[layer]].runs += 1
            return None
        args, kwargs, stream = _with_a_leaf(args, kwargs)
        if stream is not None:
            flows[names[layer]] = LayerFlow(names[layer], stream)
            running.append(flows[names[layer]])
        return args, kwargs

    def leave(layer: nn.Module, _args: Any, _output: Any) -> None:
        if running and running[-1].name == names[layer]:
            running.pop()

    def called(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if running and args and isinstance(output, Tensor):
            running[-1].calls.append(MapCall(names[module], module, args[0], output))

    for layer in dict.fromkeys(tower.layers):
        layer.register_forward_pre_hook(enter, with_kwargs=True)
        layer.register_forward_hook(leave)
        for module in layer.modules():
            if isinstance(module, kinds):
                module.register_forward_hook(called)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        run_tiny(tower, side)
    return list(flows.values())


def run_tiny(tower: Tower, most: int | None = None) -> None:
    """Runs a text of a few tokens, or one picture, `most` pixels wide, through a tower."""
    model: Any = tower.model
    device = next(tower.parameters()).device
    if tower.shape.modality == "text":
        # Without a mask: some models look at its values, which the meta device has not got.
        model(input_ids=torch.arange(_LENGTH, device=device)[None])
        return
    side = configured_side(getattr(model, "config", None)) or USUAL_SIDE
    side = min(side, most or side)
    pixels = (torch.arange(3 * side * side, device=device) * 37 % 251).to(torch.uint8).view(1, 3, side, side)
    tower(ItemInputs(torch.zeros(1, dtype=torch.int64, device=device), pixels=pixels))


def _with_a_leaf(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], Tensor | None]:
    """A layer's arguments with its first tensor of numbers cut from the graph before it, and that tensor."""
    for number, value in enumerate(args):
        if isinstance(value, Tensor) and value.is_floating_point():
            leaf = value.detach().requires_grad_()
            return (*args[:number], leaf, *args[number + 1 :]), kwargs, leaf
    if isinstance(value := kwargs.get("hidden_states"), Tensor):
        leaf = value.detach().requires_grad_()
        return args, {**kwargs, "hidden_states": leaf}, leaf
    return args, kwargs, None


_PLAIN, _WEIGHTS, _QUERY, _KEY = "plain", "weights", "query", "key"
_PRODUCTS = ("BmmBackward", "BaddbmmBackward", "MmBackward")


def _trace(tensor: Tensor, ends: dict[Any, MapCall], stream: Tensor) -> Sources:
    """Walks back from a tensor to the outputs of maps, noting whether the way led through attention weights."""
    found: dict[str, set[MapCall]] = {_PLAIN: set(), _WEIGHTS: set(), _QUERY: set(), _KEY: set()}
    reached, attention, seen = tensor is stream, False, set[tuple[Any, str]]()
    waiting = [(tensor.grad_fn, _PLAIN)]
    while waiting:
        node, way = waiting.pop()
        if node is None or (node, way) in seen:
            continue
        seen.add((node, way))
        if node in ends:
            found[way].add(ends[node])
            continue
        attention |= "Softmax" in node.name() or "ScaledDotProduct" in node.name()
        reached |= way == _PLAIN and getattr(node, "variable", None) is stream
        waiting += _behind(node, way)
    return Sources(*(frozenset(found[way]) for way in (_PLAIN, _QUERY, _KEY)), stream=reached, attention=attention)


def _behind(node: Any, way: str) -> Iterator[tuple[Any, str]]:
    """The nodes that a node was computed from, each with the way on which it lies."""
    name, behind = node.name(), [before for before, _ in node.next_functions]
    if way == _PLAIN and "ScaledDotProduct" in name:
        ways = [_QUERY, _KEY, _PLAIN]  # and a mask, which a position's bias may be
        yield from zip(behind, [*ways, *[_WEIGHTS] * (len(behind) - 3)], strict=False)
    elif way == _PLAIN and "Softmax" in name:
        yield from ((before, _WEIGHTS) for before in behind)
    elif way == _WEIGHTS and name.startswith(_PRODUCTS):
        yield from zip(behind[-2:], [_QUERY, _KEY], strict=True)
    else:
        yield from ((before, way) for before in behind)
