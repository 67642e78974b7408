"""What a record keeps of the towers that its cell read."""

from collections.abc import Mapping

from ...cell import Cell
from ...methods.backbones.source import BackboneSource
from ...reports.measurements import TowerRead


def read_towers(cell: Cell, sources: Mapping[str, BackboneSource]) -> tuple[dict[str, TowerRead], list[str]]:
    """What each tower was seen to be, by modality, and a line for whatever was taken for want of better."""
    towers, notes = dict[str, TowerRead](), list[str]()
    for name, source in sources.items():
        if not source.is_model:
            continue
        anatomy, shape = source.anatomy, source.shape
        towers[name] = TowerRead(
            model=anatomy.model,
            widths=[level.width for level in anatomy.levels],
            output=shape.hidden_size,
            pooling=shape.pooling,
            place=anatomy.place_of(shape.pooling),
            causal=anatomy.causal,
            attention=anatomy.attention,
        )
        if name == "image":
            chosen = cell.backbones.image_side
            towers[name].side = chosen or source.image_side()
            towers[name].side_from = "image_side" if chosen else source.prepared.said_by
            notes += [f"image tower '{source.label}': {note}" for note in source.pixels.notes]
    return towers, notes
