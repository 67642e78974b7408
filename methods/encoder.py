"""The contract of an item encoder: which towers it runs, what of it may be compiled, which parts it has."""

from dataclasses import dataclass, field
from typing import TypeVar

from torch import nn

from .backbones.tower import Tower
from .features.readers import TowerReader

T = TypeVar("T")


@dataclass
class EncoderLayout:
    """What the harness knows of an encoder.

    `pooled`: towers read at their pooled position alone, so that the last layer may be spared the others. `crossed`:
    towers that gradients cross, which may be checkpointed and compiled; `hooked`: those that may not be compiled, for
    hooks take states from them or give them some. `beside`: what else may be compiled. `parts`: the parameters by the
    name under which they are counted.
    """

    pooled: list[Tower] = field(default_factory=list)
    crossed: list[Tower] = field(default_factory=list)
    beside: list[nn.Module] = field(default_factory=list)
    parts: dict[str, list[nn.Parameter]] = field(default_factory=dict)
    hooked: list[Tower] = field(default_factory=list)

    def __or__(self, other: "EncoderLayout") -> "EncoderLayout":
        """Both together; parts of one name count as one."""
        names = [*self.parts, *(name for name in other.parts if name not in self.parts)]
        return EncoderLayout(
            _distinct([*self.pooled, *other.pooled]),
            _distinct([*self.crossed, *other.crossed]),
            _distinct([*self.beside, *other.beside]),
            {name: _distinct([*self.parts.get(name, []), *other.parts.get(name, [])]) for name in names},
            _distinct([*self.hooked, *other.hooked]),
        )


class ItemEncoder(nn.Module):
    """What a method builds: its `forward` takes `ItemInputs` of n items and gives embeddings, float `[n, width]`.

    Any module with such a `forward` will do. One that derives from this may say its layout itself; of every other the
    layout is found by walking its modules.
    """

    def layout(self) -> EncoderLayout:
        """What there is in it, by default that of its modules, however nested."""
        return _walked(self)


def layout_of(encoder: nn.Module) -> EncoderLayout:
    """An encoder's layout; parameters that it has in none of its parts are the part "other"."""
    found = _layout(encoder)
    taken = {id(parameter) for part in found.parts.values() for parameter in part}
    other = [parameter for parameter in encoder.parameters() if id(parameter) not in taken]
    return found | EncoderLayout(parts={"other": other}) if other else found


def _layout(module: nn.Module) -> EncoderLayout:
    if isinstance(module, ItemEncoder):
        return module.layout()
    if isinstance(module, TowerReader):
        return _of_reader(module)
    return _of_tower(module) if isinstance(module, Tower) else _walked(module)


def _walked(module: nn.Module) -> EncoderLayout:
    """The layouts of a module's children joined. A child without tower or encoder in it is a part of its own."""
    found = EncoderLayout()
    for name, child in module.named_children():
        if any(isinstance(inner, ItemEncoder | TowerReader | Tower) for inner in child.modules()):
            found |= _layout(child)
        elif next(child.parameters(), None) is not None:
            found |= EncoderLayout(parts={name: list(child.parameters())})
    return found


def _of_reader(reader: TowerReader) -> EncoderLayout:
    towers = {name: reader.tower(name) for name in reader.levels}
    parts = {f"{tower.shape.modality} tower": list(tower.parameters()) for tower in towers.values()}
    crossed = [tower for name, tower in towers.items() if name not in reader.frozen]
    free, hooked = ([], crossed) if reader.hooked else (crossed, [])
    return EncoderLayout(pooled=list(towers.values()), crossed=free, parts=parts, hooked=hooked)


def _of_tower(tower: Tower) -> EncoderLayout:
    """Of a tower that no reader holds: how it is read is not known."""
    parameters = list(tower.parameters())
    crossed = [tower] if any(parameter.requires_grad for parameter in parameters) else []
    return EncoderLayout(crossed=crossed, parts={f"{tower.shape.modality} tower": parameters})


def _distinct(things: list[T]) -> list[T]:
    return list({id(thing): thing for thing in things}.values())
