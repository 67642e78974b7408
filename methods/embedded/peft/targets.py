"""Which modules of a tower a kind of peft adapts, by their role in a layer, whatever a family calls them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ....errors import BenchError
from ...backbones.projections import Attention, LayerProjections, map_kinds, projections
from ...backbones.tower import Tower

TargetName = Literal["v", "qv", "qkv", "qkvo", "kv-down", "all-linear", "norms"]
"""`all-linear`: every linear map of the layers. `norms`: every normalisation with a scale, wherever it stands."""

_ROLES: Mapping[str, tuple[str, ...]] = {
    "v": ("value",),
    "qv": ("query", "value"),
    "qkv": ("query", "key", "value"),
    "qkvo": ("query", "key", "value", "output"),
    "kv-down": ("key", "value", "down"),
}
_PLURAL = {
    "query": "queries",
    "key": "keys",
    "value": "values",
    "output": "an attention's output",
    "down": "a feed-forward network's output",
}
_FUSED = ("query", "key", "value")


@dataclass(frozen=True)
class Targets:
    """Modules by their names in the tower's model, first layer to last, and what a reader must know of them.

    `narrowing`: those that return from the width of a feed-forward network.
    """

    names: tuple[str, ...]
    narrowing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_targets(tower: Tower, targets: TargetName, by_family: Mapping[str, Any]) -> Targets:
    """What a tower has to adapt; where no map has the roles, what peft adapts in its family.

    `by_family`: peft's own targets by `model_type`. BenchError for a tower that has neither.
    """
    if targets == "norms":
        names = tuple(name for name, module in tower.model.named_modules() if _is_norm(module))
        found, missing = Targets(names), "normalisation has a scale"
    elif targets == "all-linear":
        found, missing = _all_maps(tower), "linear map stands in the layers"
    else:
        found = _by_role(projections(tower), _ROLES[targets])
        missing = f"linear map gives {_listed([_PLURAL[role] for role in _ROLES[targets]])}"
        found = found if found.names else _by_family(tower, by_family, missing)
    if not found.names:
        raise BenchError(
            f"no {missing} in the {tower.shape.modality} tower ({type(tower.model).__name__}), and peft has no targets "
            "for it; use one that needs none, such as fft"
        )
    return found


def _by_family(tower: Tower, by_family: Mapping[str, Any], missing: str) -> Targets:
    kind = getattr(tower.model.config, "model_type", "")
    ends = by_family.get(kind, ())
    names = [name for name, _ in _maps(tower) if isinstance(ends, list) and name.rpartition(".")[2] in ends]
    note = f"no {missing.removeprefix('linear ')}: peft's own targets for {kind}, {', '.join(ends)}"
    return Targets(tuple(names), notes=(note,))


def _by_role(layers: Sequence[LayerProjections], roles: tuple[str, ...]) -> Targets:
    attentions = [attention for layer in layers for attention in layer.attentions]
    narrowing = [network.down for layer in layers for network in layer.feed_forwards] if "down" in roles else []
    by_role = [name for each in attentions for role in roles if role != "down" for name in _maps_of(each, role)]
    return Targets(
        tuple(dict.fromkeys([*by_role, *narrowing])),
        tuple(dict.fromkeys(narrowing)),
        (*_of_fused(attentions, roles), *_of_layers_without(layers, narrowing)),
    )


def _maps_of(attention: Attention, role: str) -> tuple[str, ...]:
    found = getattr(attention, role)
    return (found,) if isinstance(found, str) else found


def _of_fused(attentions: Iterable[Attention], roles: tuple[str, ...]) -> list[str]:
    """What is adapted though nobody asked for it: where one map gives several roles."""
    beside = [role for role in _FUSED if role not in roles]
    wanted = [role for role in _FUSED if role in roles]
    fused = {
        name.rpartition(".")[2]
        for attention in attentions
        for name in attention.fused
        if any(name in _maps_of(attention, role) for role in beside)
        and any(name in _maps_of(attention, role) for role in wanted)
    }
    if not fused:
        return []
    others = _listed([_PLURAL[role] for role in beside], "and")
    return [f"{', '.join(sorted(fused))} gives query, key and value together: the {others} are adapted with them"]


def _of_layers_without(layers: Sequence[LayerProjections], narrowing: list[str]) -> list[str]:
    without = sum(not layer.attentions for layer in layers)
    if not without or (without == len(layers) and not narrowing):
        return []
    what = "and so no update of it" if narrowing else "and so no update"
    return [f"no attention, {what}, in {without} of {len(layers)} layers"]


def _all_maps(tower: Tower) -> Targets:
    inside = {id(module) for layer in tower.layers for module in layer.modules()}
    return Targets(tuple(name for name, module in _maps(tower) if id(module) in inside))


def _maps(tower: Tower) -> list[tuple[str, nn.Module]]:
    """The linear maps that are read."""
    kinds = map_kinds()
    return [
        (name, module)
        for name, module in tower.model.named_modules()
        if isinstance(module, kinds) and module.get_parameter("weight").requires_grad
    ]


def _is_norm(module: nn.Module) -> bool:
    """Whether it normalises vectors and scales them: one that counts means of a batch is another thing."""
    weight = getattr(module, "weight", None)
    named = "norm" in type(module).__name__.lower() and next(module.children(), None) is None
    scaled = isinstance(weight, nn.Parameter) and weight.dim() == 1 and weight.requires_grad
    return named and scaled and next(module.buffers(), None) is None


def _listed(words: list[str], last: str = "or") -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
