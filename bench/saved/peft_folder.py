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
from ..worker.saving import write_tensors

ADAPTER = "default"
_PREFIX = "base_model.model."
"""What peft puts before the names of what it wraps."""
_SAME = 1e-4
"""Of the largest number in a vector: more than rounding, where one tower's last layer is cut and the other's is not."""


def write_adapter(tower: Tower, source: BackboneSource, inputs: ItemInputs, folder: Path) -> str | None:
    """Writes a tower's adapter, opens it again on a fresh tower, and compares what the two give of some items.

    None where that is the same; else why peft cannot hold what was trained, and nothing is left behind.
    """
    from peft import get_peft_model_state_dict

    model: Any = tower.model
    config = copy.copy(model.peft_config[ADAPTER])
    config.base_model_name_or_path, config.inference_mode = source.label, True
    try:
        state = get_peft_model_state_dict(model, adapter_name=ADAPTER)
        config.save_pretrained(str(folder))
        tensors = {f"{_PREFIX}{name}": value.detach().cpu().contiguous().clone() for name, value in state.items()}
        write_tensors(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of transformers, at peft's calls
            fault = _compared(tower, source, inputs, folder)
    except Exception as error:  # whatever peft raises of a kind
        fault = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if fault:
        shutil.rmtree(folder, ignore_errors=True)
    return fault


def is_adapted(tower: Tower) -> bool:
    """Whether peft adapted it."""
    return ADAPTER in (getattr(tower.model, "peft_config", None) or {})


@torch.no_grad()
def _compared(tower: Tower, source: BackboneSource, inputs: ItemInputs, folder: Path) -> str | None:
    from peft import PeftModel

    fresh = source.tower()
    assert isinstance(fresh, Tower), "what was adapted runs"
    PeftModel.from_pretrained(fresh.model, str(folder))  # which puts its layers into the tower's own model
    wanted, found = tower.eval()(inputs), fresh.to(inputs.items.device).eval()(inputs)
    apart = float((wanted - found).abs().max() / wanted.abs().max())
    return None if apart <= _SAME else f"opened again it gives other vectors ({apart:.0e} apart)"
