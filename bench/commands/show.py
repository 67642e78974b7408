"""`bench show`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import Screen, wrapping_table

if TYPE_CHECKING:
    from rich.table import Table

    from ...cell import Modality, Weights
    from ...methods.backbones.source import BackboneSource

app = typer.Typer(no_args_is_help=True, help="What something is, found by running it.")


@app.callback()
def _top() -> None:
    """Keeps `backbone` a command of its own, as long as it is the only one."""


@app.command(name="backbone")
def show_backbone(
    name: Annotated[str, typer.Argument(help="A name, TEXT+IMAGE, a model folder or a hub id.")],
    modality: Annotated[Literal["text", "image"] | None, typer.Option(help="Of a model that reads both.")] = None,
    weights: Annotated[Literal["pretrained", "random"], typer.Option(help="pretrained or random.")] = "pretrained",
) -> None:
    """Load a tower, run a few items through it, and say what it is and how it is read."""
    from ...methods.backbones.names import PAIRS, parse_pair
    from ...methods.backbones.source import BackboneSource

    if name in PAIRS or "+" in name:
        text, image = parse_pair(name)
        towers: dict[Modality, str] = {"text": text, "image": image}
    else:
        towers = dict.fromkeys([modality] if modality else _read_by(name, weights), name)
    for kind, place in towers.items():
        if modality in (None, kind):
            Screen().print(describe(BackboneSource(kind, place, weights)))


def _read_by(name: str, weights: "Weights") -> "list[Modality]":
    """What a model reads: pictures where its configuration says of what size, texts where it has a vocabulary."""
    from ...methods.backbones.source import BackboneSource

    source = BackboneSource("text", name, weights)
    if name not in source.names and name in BackboneSource("image", name).names:
        return ["image"]
    whole = source.config if name in source.names else source.whole_config
    parts = {"text": getattr(whole, "text_config", None), "image": getattr(whole, "vision_config", None)}
    if all(part is not None for part in parts.values()):
        return ["text", "image"]
    return ["text"] if getattr(whole, "vocab_size", None) else ["image"]


def describe(source: "BackboneSource") -> "Table":
    """A tower's facts, one a row."""
    anatomy, shape = source.anatomy, source.shape
    widths = [level.width for level in anatomy.levels]
    same = len(set(widths)) == 1
    rows = {
        "model": anatomy.model,
        "layers": f"{anatomy.depth} in {anatomy.stack}" + (", some more than once" if anatomy.repeats else ""),
        "levels": f"0 to {anatomy.depth}, each of {widths[0]}" if same else f"of {', '.join(map(str, widths))}",
        "output": str(shape.hidden_size),
        "pooling": shape.pooling if shape.pooling != "pooler" else f"pooler; levels below it at {anatomy.place}",
        "sees": "what comes before"
        if anatomy.causal
        else "the whole text"
        if source.modality == "text"
        else "the whole",
        "level 0": "the same for every item" if shape.shares_first_state else "of each item",
        "attention": {"sdpa": "torch's fused kernel", "eager": "its own code", "none": "none"}[anatomy.attention],
    }
    if source.modality == "text":
        rows["longest text"] = f"{anatomy.positions} tokens" if anatomy.positions else "no table of positions"
        rows["padding"] = "seen: texts of one length run together" if anatomy.sees_padding else "not seen"
    else:
        side, (mean, std) = source.prepared.side, source.normalisation
        rows["pictures"] = f"{side} pixels ({source.prepared.said_by})" if side else "of no stated size"
        rows["mean, std"] = f"{_numbers(mean)}; {_numbers(std)}"
        rows["notes"] = "; ".join(source.prepared.notes)
    table = wrapping_table(f"{source.modality} tower", source.label)
    for key, value in rows.items():
        if value:
            table.add_row(key, value)
    return table


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
