"""Adapters in peft's own format: what kinds share among their layers, or computed from the weights, is in them, too."""

from pathlib import Path
from typing import Any

import pytest
import torch
from cells import method_of

from tpmebench.bench.saved import peft_folder
from tpmebench.bench.saved.peft_folder import is_adapted, write_adapter
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.inputs import ItemInputs, TokenBatch

SOURCE = BackboneSource("text", "micro")
INPUTS = ItemInputs(torch.arange(1, 4), text=TokenBatch(torch.arange(5, 20).view(3, 5), torch.ones(3, 5).long()))


def trained(kind: str) -> Tower:
    """A tower all of whose adapter has moved."""
    tower: Any = SOURCE.tower()
    torch.manual_seed(7)
    method_of(kind).adapt(tower)  # type: ignore[attr-defined]
    with torch.no_grad():
        for parameter in tower.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape))
    return tower


# A bank or a vector that all layers share, random projections, a start from the weights, a kind with a budget.
@pytest.mark.parametrize("kind", ["lora", "vblora", "unilora", "vera", "tinylora", "pissa", "adalora"])
def test_an_adapter_is_opened_and_gives_the_trained_towers_vectors(kind: str, tmp_path: Path) -> None:
    tower = trained(kind)
    assert is_adapted(tower)
    assert write_adapter(tower, SOURCE, INPUTS, tmp_path / "text") is None
    assert sorted(path.name for path in (tmp_path / "text").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = (tmp_path / "text" / "adapter_config.json").read_text()
    assert '"base_model_name_or_path": "micro"' in config and str(Path.home()) not in config


def test_one_that_gives_other_vectors_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, write = trained("lora"), peft_folder._write

    def changed(tower: Tower, source: BackboneSource, folder: Path) -> None:
        write(trained("ia3"), source, folder)

    monkeypatch.setattr(peft_folder, "_write", changed)
    told = write_adapter(tower, SOURCE, INPUTS, tmp_path / "text")
    assert told is not None and "opened again it gives other vectors" in told
    assert not (tmp_path / "text").exists()
    assert not is_adapted(SOURCE.tower())  # type: ignore[arg-type]
