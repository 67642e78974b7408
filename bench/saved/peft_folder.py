"""A tower that peft adapted, in peft's own format: a folder that `PeftModel.from_pretrained` opens."""

import copy
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch

from ...methods.backbones.source import BackboneSource
from ...methods.backbones.tower import Tower
from ...methods.inputs import ItemInputs

ADAPTER = "default"
_SAME = 1e-4
"""Of the largest number in a vector: more than rounding, where one tower's last layer is cut and the other's is not."""


def write_adapter(tower: Tower, source: BackboneSource, inputs: ItemInputs, folder: Path) -> str | None:
    """Writes a tower's adapter, opens it again on a fresh tower, and compares what the two give of some items.

    None where that is the same; else why peft cannot hold what was trained, and nothing is left behind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of transformers and peft, at each other's calls
            _write(tower, source, folder)
            fault = _compared(tower, source, inputs, folder)
    except Exception as error:  # whatever peft raises of a kind
        fault = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if fault:
        shutil.rmtree(folder, ignore_errors=True)
    return fault


def is_adapted(tower: Tower) -> bool:
    """Whether peft adapted it."""
    return ADAPTER in (getattr(tower.model, "peft_config", None) or {})


def _write(tower: Tower, source: BackboneSource, folder: Path) -> None:
    """Has peft save a model of its own around a fresh tower, with all that this one holds: what kinds share among their
    layers stands in that model alone.
    """
    from peft import PeftModel, get_peft_model

    adapted: Any = tower.model
    fresh = _fresh(source)
    wrapped = get_peft_model(fresh.model, copy.deepcopy(adapted.peft_config[ADAPTER]), ADAPTER)  # type: ignore[arg-type]
    assert isinstance(wrapped, PeftModel)
    lacking = fresh.model.load_state_dict(adapted.state_dict(), strict=False).missing_keys
    if lacking:
        raise ValueError(f"a fresh tower has {lacking[0]} beside what was trained")
    wrapped.peft_config[ADAPTER].base_model_name_or_path = source.label
    wrapped.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    for path in folder.iterdir():  # safetensors lets nobody else read its file
        path.chmod((folder / "adapter_config.json").stat().st_mode)


def _fresh(source: BackboneSource) -> Tower:
    fresh = source.tower()
    assert isinstance(fresh, Tower), "what was adapted runs"
    return fresh


@torch.no_grad()
def _compared(tower: Tower, source: BackboneSource, inputs: ItemInputs, folder: Path) -> str | None:
    from peft import PeftModel

    fresh = _fresh(source)
    PeftModel.from_pretrained(fresh.model, str(folder))  # type: ignore[arg-type] - it puts layers into the tower's own
    wanted, found = tower.eval()(inputs), fresh.to(inputs.items.device).eval()(inputs)
    apart = float((wanted - found).abs().max() / wanted.abs().max())
    return None if apart <= _SAME else f"opened again it gives other vectors ({apart:.0e} apart)"
