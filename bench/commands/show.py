"""`bench show`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from ..console import Screen, wrapping_table
from . import arguments

if TYPE_CHECKING:
    from rich.table import Table

    from ...cell import Modality, Weights
    from ...methods.backbones.source import BackboneSource


class _Group(TyperGroup):
    """Takes the name of a study where that of a command is missing: `bench show main`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = not args or args[0].startswith("-") or args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["study", *args])


app = typer.Typer(cls=_Group, no_args_is_help=True, help="What a study holds, or what a backbone is.")


@app.command(
    name="study",
    epilog=arguments.examples("bench show main", "bench show study demo --methods fft,lora > mine.toml"),
)
def show_study(
    study: arguments.Study = None,
    methods: arguments.Methods = None,
    dataset: arguments.Dataset = None,
    backbones: arguments.Backbones = None,
    modalities: arguments.Modalities = None,
    seeds: arguments.Seeds = None,
    epochs: arguments.Epochs = None,
    device: arguments.Device = None,
    settings: arguments.Settings = None,
) -> None:
    """Print a study, with flags put over it, as a file to run: what it says, what each key means, and all defaults.

    `bench show NAME` is the same.
    """
    from ..study.commented import commented
    from ..study.shipped import head
    from ..study.study import read_study, study_file

    what = {"methods": methods, "datasets": dataset, "backbones": backbones, "modalities": modalities}
    how = {"seeds": seeds, "training.epochs": epochs, "device": device}
    chosen = read_study(study, what | how, settings or [])
    named = chosen.model_copy(update={"name": chosen.name})  # which a file without one would take from its own
    Screen().file.write(commented(named, head(study_file(study)) if study else ""))


@app.command(
    name="backbone",
    epilog=arguments.examples("bench show backbone micro", "bench show backbone models/minilm --modality text"),
)
def show_backbone(
    name: Annotated[str, typer.Argument(help="A name, TEXT+IMAGE, a model folder or a hub id.")],
    modality: Annotated[Literal["text", "image"] | None, typer.Option(help="Of a model that reads both.")] = None,
    weights: Annotated[Literal["pretrained", "random"], typer.Option(help="pretrained or random.")] = "pretrained",
) -> None:
    """Load a tower, run a few items through it, and say what it is and how it is read."""
    from ...methods.backbones.names import IMAGE, PAIRS, parse_pair, place_of

    towers: dict[Modality, str] = {}
    if name in PAIRS or "+" in name:
        text, image = parse_pair(name)
        towers = {"text": text, "image": image}
    for kind, place in towers.items():
        place_of(kind, place)
    if not towers:
        place_of(modality or ("image" if name in IMAGE else "text"), name)
        towers = dict.fromkeys([modality] if modality else _read_by(name, weights), name)
    from ...methods.backbones.source import BackboneSource  # and with it torch

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
