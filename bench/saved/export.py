"""Writes a trained cell as a folder: a card, what rebuilds it, what was trained, and adapters in peft's own format."""

import tempfile
from pathlib import Path

import torch

from ...errors import BenchError
from ...files import file_digest, write_atomic
from ...methods.backbones.tower import Tower
from ...ownership import check_output
from ...reports.formats.model_card import Adapter, CardFacts, render_card
from ..console import Screen
from ..worker.saving import write_tensors
from .found import ABOUT, TRAINED, About, TowerSaid, TrainedState
from .peft_folder import is_adapted, write_adapter
from .rebuilt import Instead, Rebuilt, rebuild

_COMPARED = 4
"""Items on which an adapter is tried."""


def export_cell(trained: TrainedState, folder: Path, instead: Instead, console: Screen) -> None:
    """Rebuilds a cell and writes it into a new or empty folder, whole or not at all. BenchError for any other."""
    if trained.record is None:
        raise BenchError(f"{trained.origin}: is exported already; copy the folder")
    check_output(folder, "DIR")
    if folder.exists() and any(folder.iterdir()):
        raise BenchError(f"DIR {folder}: holds files; name a new or an empty directory")
    rebuilt = rebuild(trained, instead, console)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        adapters = _write_adapters(rebuilt, whole, console)
        write_tensors(whole / TRAINED, rebuilt.state, {"format": "pt"})
        about = _about(trained, rebuilt, file_digest(whole / TRAINED))
        write_atomic(whole / ABOUT, about.model_dump_json(indent=1) + "\n")
        towers = {name: said.name for name, said in about.towers.items()}
        kept = sum(value.numel() for value in rebuilt.state.values())
        facts = CardFacts(trained.record, trained.epoch, towers, adapters, kept)
        write_atomic(whole / "README.md", render_card(facts))
        whole.replace(folder)


def _write_adapters(rebuilt: Rebuilt, folder: Path, console: Screen) -> list[Adapter]:
    found = []
    for tower in towers_of(rebuilt):
        if not is_adapted(tower):
            continue
        name, source = tower.shape.modality, rebuilt.parts.sources[tower.shape.modality]
        items = torch.arange(1, 1 + min(_COMPARED, rebuilt.parts.dataset.catalogue.size))
        inputs = rebuilt.parts.content.gather(items).to(rebuilt.parts.device)
        fault = write_adapter(tower, source, inputs, folder / name)
        if fault:
            console.say(f"note: the {name} tower is not written in peft's format: {fault}; {TRAINED} holds all of it")
        else:
            found.append(Adapter(name, source.label, type(tower.model).__name__))
    return found


def towers_of(rebuilt: Rebuilt) -> list[Tower]:
    """The towers that the cell's encoder runs."""
    return [module for module in rebuilt.parts.recommender.item_encoder.modules() if isinstance(module, Tower)]


def _about(trained: TrainedState, rebuilt: Rebuilt, sha256: str) -> About:
    parts = rebuilt.parts
    assert trained.record is not None, "what is exported has a record"
    towers = {
        name: TowerSaid(
            name=source.label,
            fingerprint=source.fingerprint(),
            model=source.anatomy.model if source.is_model else "",
            hidden_size=source.shape.hidden_size,
        )
        for name, source in parts.sources.items()
    }
    return About(
        cell=trained.cell,
        cell_id=trained.record.cell_id,
        epoch=trained.epoch,
        width=parts.recommender.width,
        towers=towers,
        sha256=sha256,
    )
