"""Builds and loads transformers' models, and finds the part of one that reads a modality."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import nn

from .hugging_face import transformers_quietly
from .trial import takes

M = TypeVar("M", bound=nn.Module)

_PARTS = {
    "text": ("text_model",),
    "image": ("vision_model", "image_model", "vision_tower"),
}
_CONFIGS = {"text": ("text_config",), "image": ("vision_config", "image_config")}


def build_model(config: Any) -> Any:
    """A model with random weights. Its attention is torch's fused one where the family has that, else its own."""
    return transformers_quietly().AutoModel.from_config(without_choice(config), trust_remote_code=False)


def load_model(location: str, config: Any, pinned: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model with the weights of a folder or hub id, and transformers' account of what was found."""
    return transformers_quietly().AutoModel.from_pretrained(
        location,
        config=without_choice(config),
        trust_remote_code=False,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        **pinned,
    )


def config_of(whole: Any, modality: str) -> Any:
    """The modality's own configuration: of CLIP and its kin one of two."""
    return next((part for name in _CONFIGS[modality] if (part := getattr(whole, name, None)) is not None), whole)


def part_of(model: Any, modality: str) -> Any:
    """What of a model reads the modality: the whole of it, one of CLIP's two, or the encoder of an encoder-decoder."""
    part = next(
        (found for name in _PARTS[modality] if isinstance(found := getattr(model, name, None), nn.Module)), model
    )
    encoder, decoder = (getattr(part, name, None) for name in ("encoder", "decoder"))
    if isinstance(encoder, nn.Module) and isinstance(decoder, nn.Module) and takes(encoder, "input_ids"):
        part = encoder
    for key, value in (("use_cache", False), ("return_dict", True)):  # no keys and values kept for generation
        setattr(part.config, key, value)
    return part


def own_names(model: nn.Module, part: nn.Module, names: Iterable[str]) -> Iterator[str]:
    """Of a model's parameters by name those that a part of it has, as it calls them."""
    inside = next((name for name, module in model.named_modules() if module is part), "")
    for name in names:
        if not inside:
            yield name
        elif name.startswith(f"{inside}."):
            yield name.removeprefix(f"{inside}.")


def copy_of_same_weights(module: M) -> M:
    """A copy that has the same numbers in memory, which nothing may write: whatever else is done to it stays in it."""
    return deepcopy(module, {id(each): nn.Parameter(each.detach(), each.requires_grad) for each in module.parameters()})


def without_choice(config: Any) -> Any:
    """A copy of the configuration with no attention of its own choice, which the family may not have."""
    config = deepcopy(config)
    config._attn_implementation = None
    return config
