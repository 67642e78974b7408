"""Finds a layer's projections by their role, whatever a model family calls them."""

from dataclasses import dataclass

from torch import nn

from ...errors import BenchError
from .tower import Tower

_QUERY = {"query", "q_proj", "q_lin", "wq"}
_KEY = {"key", "k_proj", "k_lin", "wk"}
_VALUE = {"value", "v_proj", "v_lin", "wv"}


@dataclass(frozen=True)
class LayerProjections:
    """Names, within the tower's model, of one layer's linear projections."""

    query: str
    value: str
    attention_output: str
    feed_forward_output: str


def projections(tower: Tower) -> list[LayerProjections]:
    """The projections of every layer, first to last. BenchError when a layer is built otherwise (fused q/k/v, say).

    Query, key and value go by name. Of the other square projections the first is the attention's output; the last
    linear map that narrows is the feed-forward's output.
    """
    names = {id(module): name for name, module in tower.model.named_modules()}
    return [_of_layer(layer, names[id(layer)], type(tower.model).__name__) for layer in tower.layers]


def maps_after_attention(layer: nn.Module, hidden_size: int) -> list[nn.Linear]:
    """The maps of a layer that read hidden states but query, key and value: attention output, feed-forward inputs.

    Empty when query, key and value have no map each. Finds them in a layer to which a method has added its own maps.
    """
    linear = {name: module for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
    roles = {name: [role for role in (_QUERY, _KEY, _VALUE) if role & set(name.split("."))] for name in linear}
    if not all([role] in roles.values() for role in (_QUERY, _KEY, _VALUE)):
        return []
    return [linear[name] for name, found in roles.items() if not found and linear[name].in_features == hidden_size]


def _of_layer(layer: nn.Module, prefix: str, family: str) -> LayerProjections:
    linear = {name: module for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
    last = {name: name.rsplit(".", 1)[-1] for name in linear}
    query = [name for name in linear if last[name] in _QUERY]
    value = [name for name in linear if last[name] in _VALUE]
    rest = {name: module for name, module in linear.items() if last[name] not in _QUERY | _KEY | _VALUE}
    square = [name for name, module in rest.items() if module.in_features == module.out_features]
    narrowing = [name for name, module in rest.items() if module.in_features > module.out_features]
    if not (len(query) == len(value) == 1 and square and narrowing):
        raise BenchError(
            f"{family}: layer '{prefix}' has no separate query, value and output projections; "
            "use a method that changes nothing inside the backbone (iisan, frozen, fft, bitfit)"
        )
    return LayerProjections(*(f"{prefix}.{name}" for name in (query[0], value[0], square[0], narrowing[-1])))
