"""A model folder in Hugging Face layout: what its files say of the model, found without loading a weight."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ...errors import BenchError, quoted
from ...files import open_file, read_json

_CONFIG_BYTES = 8 << 20
READ = {".json", ".safetensors", ".txt", ".model"}
"""Files that we or transformers open: configurations, weights, vocabularies."""
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_BOUNDS = {
    "layer": 256,
    "depth": 256,
    "block": 1 << 20,
    "stage": 64,
    "expert": 4096,
    "label": 100_000,
    "position": 1 << 24,
}
"""The most that a number in a configuration may say, by a word in its key: what is made so many times over."""
UNREAD = ("pooler", "mask_token")
"""Parts of a model that nothing here reads, so that its files may lack them, or hold more."""


def check_files(folder: Path) -> None:
    """BenchError for a file that cannot be read, is no file, or asks for what is never done."""
    for path in sorted(folder.iterdir()):
        if path.suffix in READ:
            with open_file(path):
                pass
    check_no_adapter(folder)
    config = read_json(folder / "config.json", _CONFIG_BYTES)
    if not isinstance(config, dict):
        raise BenchError(f"{folder / 'config.json'}: no table of a model's settings; restore the model's own file")
    if _is_quantised(config):
        raise BenchError(f"{folder}: a quantised checkpoint; give one with floating-point weights")
    elsewhere = _from_elsewhere(config)
    if elsewhere:
        raise BenchError(f"{folder / 'config.json'}: {elsewhere} would be fetched from elsewhere; remove the key")
    wrong = _out_of_bounds(config)
    if wrong:
        raise BenchError(f"{folder / 'config.json'}: {wrong}; restore the model's own file")


def check_no_adapter(folder: Path) -> None:
    """BenchError for a folder of what peft saves: the change to a model, not the model."""
    if (folder / "adapter_config.json").exists():
        raise BenchError(f"{folder}: holds an adapter (adapter_config.json), no model; merge it into its model first")


def _is_quantised(config: Mapping[str, Any]) -> bool:
    """Whether a configuration, or one of its parts', says so."""
    parts = [value for value in config.values() if isinstance(value, Mapping)]
    return config.get("quantization_config") is not None or any(map(_is_quantised, parts))


def _from_elsewhere(config: Mapping[str, Any]) -> str | None:
    """The first key of a configuration by which other weights, or kernels that are code, would be fetched."""
    for key, value in config.items():
        inner = _from_elsewhere(value) if isinstance(value, Mapping) else None
        if inner:
            return f"{quoted(key)[1:-1]}.{inner}"
        if (key == "use_pretrained_backbone" and value) or (key.endswith("_implementation") and "/" in str(value)):
            return key
    return None


def _out_of_bounds(config: Mapping[str, Any]) -> str | None:
    """The first number of a configuration that would make its model endless."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            inner = _out_of_bounds(value)
            if inner:
                return f"{key}.{inner}"
        most = min((bound for word, bound in _BOUNDS.items() if word in key.lower()), default=10**15)
        numbers = value if isinstance(value, list) else [value]
        for number in numbers:
            if isinstance(number, int | float) and not abs(number) <= most:
                return f"{quoted(key)[1:-1]}: {quoted(number)} is more than {most}"
    return None


def stated_weights(folder: Path) -> dict[str, torch.Tensor]:
    """What the folder's weights would be: tensors without data, from the files' headers; integers are left out.

    BenchError names a file that is damaged or missing.
    """
    state: dict[str, torch.Tensor] = {}
    for path in _weight_files(folder):
        with open_file(path):
            pass
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - it is no mapping
                    part = file.get_slice(name)
                    if part.get_dtype() in _DTYPES:
                        state[name] = torch.empty(part.get_shape(), dtype=_DTYPES[part.get_dtype()], device="meta")
        except (SafetensorError, OSError, RuntimeError) as error:
            raise BenchError(f"{path}: damaged ({error}); fetch the file again") from error
    return state


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load: one, or those that an index names."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists() or not index.exists():
        if not whole.exists():
            raise BenchError(f"{folder}: no model.safetensors and no index of its parts; give the file that name")
        return [whole]
    content = read_json(index)
    named = content.get("weight_map") if isinstance(content, dict) else None
    names = set(map(str, named.values())) if isinstance(named, dict) else {""}
    if any(not name or Path(name).name != name for name in names):
        raise BenchError(f"{index}: no map of weights to files of this folder; fetch the file again")
    return [folder / name for name in sorted(names)]


def loading_fault(model: nn.Module, tower: nn.Module, found: Mapping[str, Any]) -> str | None:
    """What is wrong with weights that were loaded into `model`, of which `tower` is read; None when nothing is.

    `found` is transformers' account. Heads of other tasks and another modality's tower may be there; what a model lacks
    would be random, and what it has no place for is a model of other settings.
    """
    own = {id(parameter) for parameter in tower.parameters()}
    others = {name for name, parameter in model.named_parameters() if id(parameter) not in own}
    others |= {name for name, buffer in model.named_buffers() if not buffer.is_floating_point()}  # counters, indices
    missing = sorted(key for key in set(found["missing_keys"]) - others if not any(part in key for part in UNREAD))
    if missing:
        return f"its files lack {len(missing)} weights, {missing[0]} among them"
    mismatched = sorted(found["mismatched_keys"])
    if mismatched:
        key, stored, wanted = mismatched[0]
        return f"{key} is {list(stored)} in its files and {list(wanted)} by its config.json"
    surplus = sorted(key for key in found["unexpected_keys"] if _is_of(tower, model, key))
    if surplus:
        return f"its files hold {len(surplus)} weights that its config.json has no place for, {surplus[0]} among them"
    return None


def _is_of(tower: nn.Module, model: nn.Module, key: str) -> bool:
    """Whether a key of no parameter stands among those of the tower."""
    key = key.removeprefix(f"{getattr(model, 'base_model_prefix', '')}.")
    inside = next((name for name, module in model.named_modules() if module is tower), "")
    if inside and not key.startswith(f"{inside}."):
        return False
    first, _, rest = key.removeprefix(f"{inside}." if inside else "").partition(".")
    parts = {name for name, child in tower.named_children() if any(True for _ in child.parameters())}
    return first in parts - set(UNREAD) and not rest.endswith(("position_ids", "inv_freq", "mask_token"))
