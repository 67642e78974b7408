"""What can be known of a backbone before the first cell: that it loads, that it runs, and that it fits the study."""

from bisect import bisect_left
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...cell import Modality
from ...errors import BenchError
from ...files import read_json
from .hugging_face import without_the_hub
from .loading import build_model, part_of, without_choice
from .model_folder import loading_fault, stated_weights
from .positions import longest_text
from .source import BackboneSource
from .trial import Items, call_model

_MOST_PARAMETERS = 10**11
_HALVINGS = 32


class DoesNotFit(BenchError):
    """A tower that is sound and cannot read what this study gives it: the rest of the study may be able to run."""


def check_backbone(source: BackboneSource, text_length: int, image_side: int | None) -> None:
    """BenchError when a backbone cannot be what a study asks of it, naming the folder or the study's key; DoesNotFit
    when the study's texts or pictures are too large for it.

    `text_length` in tokens, `image_side` in pixels (None: the model's own). Of a folder the files' headers are read;
    the model is built and run without data. A hub id is left to its cell: nothing is fetched here.
    """
    if not source.is_model or not (source.is_local or source.weights == "random"):
        return
    try:
        if source.is_shipped:  # what is left to find needs no import of transformers
            _check_stated(source, text_length, image_side)
        else:
            with without_the_hub() if source.is_local else nullcontext():
                _check_built(source, text_length, image_side)
    except BenchError:
        raise
    except Exception as error:  # whatever transformers raises on reading a folder
        raise source.unloadable(error) from error


def _check_stated(source: BackboneSource, text_length: int, image_side: int | None) -> None:
    stated = read_json(Path(source.location) / "config.json")
    if source.modality == "text":
        _check_length(source, text_length, stated["max_position_embeddings"])
    else:
        _check_side(source, image_side or stated["image_size"], stated["patch_size"])


def _check_built(source: BackboneSource, text_length: int, image_side: int | None) -> None:
    model = _without_data(source)
    if source.modality == "text":
        _check_length(source, text_length, longest_text(model))
        _check_vocabulary(source, model)
        _check_runs(source, model, text_length)
    else:
        side = image_side or source.image_side()
        _check_side(source, side, getattr(source.config, "patch_size", None))
        _check_runs(source, model, side)


def _without_data(source: BackboneSource) -> nn.Module:
    """What is read of the model, on torch's meta device: shapes and no numbers, held against the weights' files."""
    pretrained = source.weights == "pretrained"
    with torch.device("meta"):
        model = build_model(source.whole_config if pretrained else source.config)
    size = sum(parameter.numel() for parameter in model.parameters())
    if size > _MOST_PARAMETERS:
        raise ValueError(f"{size} parameters by its config.json")
    found: dict[str, Any] | None = None
    if pretrained:
        model, found = type(model).from_pretrained(
            None,
            config=without_choice(source.whole_config),
            state_dict=stated_weights(Path(source.location)),
            device_map={"": "meta"},
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are named below
            output_loading_info=True,
        )
    tower = part_of(model, source.modality)
    fault = loading_fault(model, tower, found) if found else None
    if fault:
        raise ValueError(fault)
    for module in tower.modules():
        eps = getattr(module, "eps", getattr(module, "variance_epsilon", None))
        if eps is not None and not (isinstance(eps, int | float) and 0 <= eps < 1):
            raise ValueError(f"{type(module).__name__} with an epsilon of {eps}")
    return tower


def _check_runs(source: BackboneSource, model: nn.Module, size: int) -> None:
    """Lets two items through the model, with all that training does; DoesNotFit where those of another size go."""
    model = model.to("meta").train()
    try:
        _run(model, source.modality, size)
    except Exception as error:
        fits = _fitting(source, model, size)
        if fits is None:
            raise
        key, unit = ("text_length", "tokens") if source.modality == "text" else ("image_side", "pixels")
        reason = " ".join(str(error).split())[:200]
        raise DoesNotFit(
            f"{key}: {size} {unit} are not taken by {source.modality} backbone '{source.name}' ({reason}); "
            f"give --set {key}={fits}"
        ) from error


def _run(model: nn.Module, modality: Modality, size: int) -> None:
    """Two items, as normalisation over items needs; only shapes are computed."""
    try:
        with torch.no_grad():
            if modality == "text":
                # without a mask: some models look at its values, which are not there
                model(input_ids=torch.zeros(2, size, dtype=torch.int64, device="meta"))
            else:
                call_model(model, Items(pixels=torch.zeros(2, 3, size, size, device="meta")), False)
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise  # else the model looks at values: its cell will show


def _fitting(source: BackboneSource, model: nn.Module, size: int) -> int | None:
    """A size that a model takes in place of one that it does not, None where none was found. In few runs: of texts the
    longest above the longest power of two that it takes; of pictures the model's own side, or the largest smaller
    multiple of 32, as models that halve them several times want it.
    """

    def runs(other: int) -> bool:
        try:
            _run(model, source.modality, other)
        except Exception:  # whatever a model says of what it does not take
            return False
        return True

    if source.modality == "image":
        smaller = range((size - 1) // _HALVINGS * _HALVINGS, 0, -_HALVINGS)
        return next(filter(runs, [source.prepared.side or size, *smaller]), None)
    powers = (1 << exponent for exponent in range((size - 1).bit_length() - 1, 1, -1))  # to 4, the least of a study
    taken = next(filter(runs, powers), None)
    return taken and taken + bisect_left(range(taken + 1, size), True, key=lambda length: not runs(length))


def _check_length(source: BackboneSource, length: int, positions: int | None) -> None:
    if positions is not None and length > positions:
        raise DoesNotFit(
            f"text_length: {length} tokens, but text backbone '{source.name}' has {positions} positions; "
            f"give --set text_length={positions} or less"
        )


def _check_side(source: BackboneSource, side: Any, patch: Any) -> None:
    sizes = patch if isinstance(patch, list | tuple) else [patch]
    for size in sizes:
        if isinstance(size, int) and isinstance(side, int) and size > 0 and side % size:
            nearest = max(side // size, 1) * size
            raise DoesNotFit(
                f"image_side: {side} pixels do not divide into the patches of {size} of image backbone "
                f"'{source.name}'; give --set image_side={nearest}"
            )


def _check_vocabulary(source: BackboneSource, model: Any) -> None:
    """BenchError when the tokenizer knows tokens that the model has no embedding for."""
    tokens = source.tokenizer().vocabulary
    embeddings = model.get_input_embeddings()
    known = getattr(embeddings, "num_embeddings", None)
    if known is not None and tokens > known:
        raise BenchError(
            f"{source.location}: its tokenizer has {tokens} tokens and its config.json a vocab_size of {known}; "
            "give the tokenizer that belongs to the model"
        )
