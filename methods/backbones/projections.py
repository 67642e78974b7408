"""Finds a layer's projections by their role, whatever a model family calls them: by what flows from which to which."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from torch import nn

from .flow import LayerFlow, MapCall, layer_flows, looking_for
from .tower import Tower

_WORDS = {
    "query": {"query", "q", "wq", "query_proj", "q_proj", "q_lin", "q_head", "in_proj_q"},
    "key": {"key", "k", "wk", "key_proj", "k_proj", "k_lin", "k_head", "in_proj_k"},
    "value": {"value", "v", "wv", "value_proj", "v_proj", "v_lin", "v_head", "in_proj_v"},
}


@dataclass(frozen=True)
class Attention:
    """The maps of one attention, by name within the tower's model: those that it reads, and the one that reads it.

    A map that has several roles is fused. Empty where a role has no linear map.
    """

    query: tuple[str, ...]
    key: tuple[str, ...]
    value: tuple[str, ...]
    output: str

    @property
    def fused(self) -> tuple[str, ...]:
        """The maps that give several of query, key and value at once."""
        roles = (self.query, self.key, self.value)
        names = dict.fromkeys(name for role in roles for name in role)
        return tuple(name for name in names if sum(name in role for role in roles) > 1)


@dataclass(frozen=True)
class FeedForward:
    """The maps of one feed-forward network: `up` (and its gate) read hidden states, `down` returns to their width."""

    up: tuple[str, ...]
    down: str


@dataclass(frozen=True)
class LayerProjections:
    """One layer's attentions and feed-forward networks, in order: of a stage of several blocks there are several."""

    name: str
    attentions: tuple[Attention, ...]
    feed_forwards: tuple[FeedForward, ...]

    @property
    def ends(self) -> list[str]:
        """The maps that end them, whose outputs the layer adds to its hidden states: attentions first."""
        outputs = [attention.output for attention in self.attentions]
        return list(dict.fromkeys([*outputs, *(network.down for network in self.feed_forwards)]))


def map_kinds() -> tuple[type[nn.Module], ...]:
    """The modules that are a linear map of the last dimension."""
    from transformers.pytorch_utils import Conv1D

    return nn.Linear, Conv1D


def projections(tower: Tower) -> list[LayerProjections]:
    """The projections of every layer, first to last; layers that are one module come once.

    BenchError when the tower doesn't run; on the meta device whatever it raises.
    """
    return [_of_layer(flow) for flow in _flows(tower)]


def widths(module: nn.Module) -> tuple[int, int]:
    """Of a linear map: the width that it reads, and the one that it gives."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    reads, gives = module.get_parameter("weight").shape  # Conv1D keeps its matrix the other way round
    return reads, gives


def maps_after_attention(tower: Tower) -> list[nn.Module]:
    """The maps of the last layer that no attention reads: its output, the feed-forward network, what a method added.

    Empty where the last layer is run more than once. BenchError when the tower doesn't run.
    """
    if tower.after_attention is not None:
        return [tower.model.get_submodule(name) for name in tower.after_attention]
    last = tower.layers[-1]
    names = {name for name, module in tower.model.named_modules() if module is last}
    found = [flow for flow in _flows(tower) if flow.name in names and flow.runs == 1]
    return [tower.model.get_submodule(name) for flow in found for name in _names(flow.unattended)]


def remember_maps_after_attention(tower: Tower) -> None:
    """Keeps which these are, before what stands in their place is something through which less can be seen."""
    if tower.shape.pooling == "cls":
        names = {id(module): name for name, module in tower.model.named_modules()}
        with suppress(Exception):  # whatever a model raises: the last layer stays whole
            tower.after_attention = tuple(names[id(module)] for module in maps_after_attention(tower))


def _flows(tower: Tower) -> list[LayerFlow]:
    with looking_for("its layers' maps", tower):
        return layer_flows(tower, map_kinds())


def _of_layer(flow: LayerFlow) -> LayerProjections:
    found = [_attention(flow, call) for call in flow.calls if flow.sources(call).attention]
    attentions = [attention for attention in found if attention.query or attention.value]
    outputs = {attention.output for attention in attentions}
    feed_forwards = [
        FeedForward(_names(flow.sources(call).plain), call.name)
        for call in flow.calls
        if call.name not in outputs and _returns(flow, call, outputs)
    ]
    return LayerProjections(flow.name, tuple(dict.fromkeys(attentions)), tuple(dict.fromkeys(feed_forwards)))


def _attention(flow: LayerFlow, output: MapCall) -> Attention:
    """The attention whose result a call reads.

    Where positions have queries or keys of their own, products of them stand under the softmax too: a map on one side
    alone is told by that.
    """
    from_, own = flow.sources(output), flow.reads_stream
    query, key, value = (_names(role & own) for role in (from_.query, from_.key, from_.plain))
    return Attention(
        query=_chosen("query", tuple(name for name in query if name not in key) or query),
        key=_chosen("key", tuple(name for name in key if name not in query) or key),
        value=_chosen("value", value),
        output=output.name,
    )


def _names(calls: Iterable[MapCall]) -> tuple[str, ...]:
    return tuple(sorted({call.name for call in calls}))


def _chosen(role: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of several maps that could have a role the one that is called so."""
    called = tuple(name for name in names if set(name.split(".")) & _WORDS[role])
    return called if len(called) == 1 else names


def _returns(flow: LayerFlow, call: MapCall, outputs: set[str]) -> bool:
    """Whether a call reads nothing but maps of hidden states, and returns to the width that they came from."""
    from_ = flow.sources(call)
    if from_.stream or from_.attention or not from_.plain or call in flow.read_by_attention:
        return False
    ups = [up for up in from_.plain if up in flow.reads_stream and up.name not in outputs]
    return len(ups) == len(from_.plain) and {widths(up.module)[0] for up in ups} == {widths(call.module)[1]}
