"""Which hidden states of each tower a method beside it reads."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictInt

from ...errors import BenchError
from ..backbones.pair import Backbones

Pattern = Literal[
    "every-second", "every-3", "every-4", "every-6", "all", "none", "odd", "even", "first-half", "last-half", "six"
]
_SAME: dict[Any, str] = {"every-1": "all", "every-2": "every-second"}


def _canonical(value: Any) -> Any:
    """A value under its one name, so that a setting has one: a lone number is a list of one."""
    if isinstance(value, int):
        return (value,)
    return _SAME.get(value, value) if isinstance(value, str) else value


Layers = Annotated[Pattern | tuple[StrictInt, ...], BeforeValidator(_canonical)]
"""The option (LayerDrop): "every-second" layer counted back from the last, or every 3rd, 4th or 6th ("every-1" is
"all", "every-2" "every-second"); the "odd" or "even" ones, the "first-half" or "last-half"; "six" as far apart as the
tower's depth allows, counted back from the last (IISAN-Versa); "none", so that state 0 is left; or numbers from 1."""


def side_levels(method: str, layers: Layers, backbones: Backbones) -> dict[str, tuple[int, ...]]:
    """State 0 and the chosen layers of each tower, by modality.

    BenchError for layers that a tower has not, and for those of a staged tower, which are of several widths.
    """
    for name, shape in backbones.shapes.items():
        if shape.depth == 0 and layers != "none":
            raise BenchError(
                f"method '{method}' reads layers, and the {name} tower has one state an item: use frozen-cached or "
                "content-knn"
            )
    chosen = {name: (0, *_layers(method, layers, name, shape.depth)) for name, shape in backbones.shapes.items()}
    for name, shape in backbones.shapes.items():
        widths = sorted({shape.width(level) for level in chosen[name]})
        if len(widths) > 1:
            raise BenchError(
                f"method '{method}': the {name} tower's levels are {', '.join(map(str, widths))} wide, and it reads "
                "levels of one width; use frozen, or a method inside the towers"
            )
    return chosen


def _layers(method: str, layers: Any, modality: str, depth: int) -> tuple[int, ...]:
    if isinstance(layers, str):
        return tuple(_pattern(layers, depth))
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 1 or layers[-1] > depth:
        raise BenchError(
            f"method '{method}': option 'layers': {list(layers)} does not fit the {modality} tower; "
            f"give increasing layer numbers from 1 to {depth}"
        )
    return tuple(layers)


def _pattern(pattern: str, depth: int) -> range:
    """The layers of a pattern, in a tower of a depth."""
    half, apart = depth // 2, max(1, (depth - 1) // 5)
    back = {"every-second": 2, "every-3": 3, "every-4": 4, "every-6": 6}
    if pattern in back:
        return range(depth, 0, -back[pattern])[::-1]
    return {
        "all": range(1, depth + 1),
        "none": range(0),
        "odd": range(1, depth + 1, 2),
        "even": range(2, depth + 1, 2),
        "first-half": range(1, half + 1),
        "last-half": range(half + 1, depth + 1),
        "six": range(depth, 0, -apart)[:6][::-1],
    }[pattern]
