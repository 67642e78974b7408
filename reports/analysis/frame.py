"""Records as one table of data, a row a cell: what `records.csv`, `records.parquet` and `Results.frame` hold.

Columns have stable names and types, whatever the records lack: what was not measured is missing, never 0 or a word.
Seconds, bytes and counts stand as such. Nothing is joined or averaged over cells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd

from ...files import canonical_json
from ..records import Record
from .cells import row

TYPES = {
    "text": "string",
    "integer": "Int64",
    "number": "float64",
    "yes or no": "boolean",
    "moment": "datetime64[us, UTC]",
}
"""What each type is in pandas. A missing value is null in Parquet and nothing in CSV."""


@dataclass(frozen=True)
class Field:
    """A column: its name, its type, and what it holds, with the unit."""

    name: str
    type: Literal["text", "integer", "number", "yes or no", "moment"]
    meaning: str


CELL = (
    Field("study", "text", "name of the study"),
    Field("cell_id", "text", "the cell's id, which leads to `records/<id>.json`"),
    Field("started", "moment", "when the cell began, UTC"),
    Field("status", "text", "`ok`, or how the cell failed"),
    Field("error", "text", "why it failed"),
    Field("method", "text", "the method's name"),
    Field("family", "text", "`full`, `embedded`, `hybrid`, `decoupled` or `reference`"),
    Field("options", "text", "the method's options that were given, as JSON"),
    Field("rates", "text", "learning rates that were given, as JSON"),
    Field("task", "text", "what was asked of the embeddings"),
    Field("dataset", "text", "name of the dataset"),
    Field("dataset_fingerprint", "text", "of its content"),
    Field("modalities", "text", "`both`, `text` or `image`"),
    Field("missing_images", "text", "what became of items without a picture"),
    Field("text_backbone", "text", "name of the text tower"),
    Field("image_backbone", "text", "name of the image tower"),
    Field("backbones_fingerprint", "text", "of configuration and weights of both"),
    Field("weights", "text", "`pretrained` or `random`"),
    Field("text_pooling", "text", "how the text tower's states become one vector"),
    Field("image_pooling", "text", "how the image tower's states become one vector"),
    Field("text_length", "integer", "tokens that are read at most"),
    Field("image_side", "integer", "pixels, where it was given"),
    Field("batch", "integer", "users of a training step"),
    Field("epochs_asked", "integer", "epochs that training may have at most"),
    Field("patience", "text", "how long training goes on without a better epoch"),
    Field("precision", "text", "`fp32`, `bf16` or `fp16`"),
    Field("encode", "text", "`unique` or `every-slot`"),
    Field("learning_rate_scale", "number", "factor of the rates that were not given"),
    Field("cache_dtype", "text", "of the feature cache"),
    Field("cache_on", "text", "where training read the feature cache"),
    Field("compile", "yes or no", "whether torch compiled the training step"),
    Field("cuda_graphs", "yes or no", "whether it recorded CUDA graphs of it"),
    Field("gradient_checkpointing", "yes or no", "whether activations were computed again"),
    Field("width", "integer", "columns of an item's embedding"),
    Field("dropout", "number", "of the head"),
    Field("max_length", "integer", "items of a history that the head sees"),
    Field("repeat_targets", "text", "`miss` or `rank`"),
    Field("evaluated_users", "integer", "users who were ranked, where not all"),
    Field("seed", "integer", "seed of the training"),
    Field("repeat", "integer", "timing repeat of the seed"),
    Field("costs", "yes or no", "whether only costs were measured"),
    Field("planned", "yes or no", "whether the cell was planned and not run"),
    Field("device", "text", "`cpu`, `cuda`, …"),
    Field("threads", "integer", "threads that the cell ran with, where the machine said so"),
    Field("deterministic", "yes or no", "whether kernels were fixed"),
    Field("cpu", "text", "name of the processor"),
    Field("cores", "integer", "cores of the machine"),
    Field("gpu", "text", "name of the GPU"),
    Field("torch", "text", "version of torch"),
    Field("version", "text", "version of the suite"),
    Field("commit", "text", "git commit of the suite"),
    Field("dirty", "yes or no", "whether the checkout had changes"),
)
"""The columns of what the cell is, where it ran and how it ended."""
COSTS = (
    Field("time", "number", "T: mean seconds of a training epoch"),
    Field("epochs", "integer", "epochs that were run"),
    Field("marked", "integer", "epochs behind T that were disturbed"),
    Field("left_out", "integer", "epochs that were disturbed too much to count for T"),
    Field("beside", "integer", "other cells that might run at the same time, so that no time of this one counts"),
    Field("data", "number", "seconds of an epoch for data"),
    Field("forward", "number", "seconds of an epoch for the forward pass"),
    Field("backward", "number", "seconds of an epoch for the backward pass"),
    Field("update", "number", "seconds of an epoch for the optimiser's update"),
    Field("step_p50", "number", "median seconds of a training step"),
    Field("step_p90", "number", "90th percentile of it"),
    Field("step_p99", "number", "99th percentile of it"),
    Field("cache_build", "number", "seconds that building the feature cache took, whenever that was"),
    Field("cache_reused", "yes or no", "whether the cache was there already"),
    Field("start", "number", "seconds that the method's start from the weights took"),
    Field("validation", "number", "mean seconds of validation after an epoch"),
    Field("test_time", "number", "seconds of judging the test users"),
    Field("total_time", "number", "seconds of the whole cell"),
    Field("energy", "number", "energy of the training, where it was measured"),
    Field("card_energy", "number", "joules of an epoch by the GPU's counter"),
    Field("card_marked", "integer", "epochs behind that during which others used the GPU"),
    Field("card_left_out", "integer", "epochs left out of it for that"),
    Field("card_cache_energy", "number", "joules of building the feature cache by the GPU's counter"),
    Field("package_energy", "number", "joules of an epoch by the counters of all packages of the processor"),
    Field("package_marked", "integer", "epochs behind that during which others used more than a twentieth of it"),
    Field("package_left_out", "integer", "epochs left out of it because others used more than a fifth"),
    Field("package_cache_energy", "number", "joules of building the feature cache by the packages' counters"),
    Field("encoding", "number", "seconds of encoding the whole catalogue, once trained"),
    Field("ranking", "number", "seconds of ranking the catalogue for a user"),
    Field("use_marked", "integer", "evaluations behind these that were disturbed"),
    Field("parameters", "integer", "P: trainable parameters"),
    Field("parameters_total", "integer", "all parameters"),
    Field("saved_bytes", "integer", "bytes of the trainable state as saved"),
    Field("memory", "integer", "M: peak bytes of the training phase"),
    Field("memory_evaluation", "integer", "peak bytes of evaluation"),
    Field("memory_cache_build", "integer", "peak bytes of building the feature cache"),
    Field("memory_reserved", "integer", "bytes that CUDA reserved in training"),
    Field("memory_process", "integer", "bytes of the GPU that the process held in training"),
    Field("memory_rss", "integer", "peak resident bytes of the process in training"),
    Field("feature_cache", "integer", "bytes of the feature cache"),
    Field("memory_without_cache", "integer", "memory without the feature cache, where that lay on the GPU, in bytes"),
    Field("flops_forward", "integer", "floating-point operations of the metered step, forward"),
    Field("flops_backward", "integer", "the same, backward"),
    Field("items", "integer", "items of that step"),
    Field("slots", "integer", "slots of that step"),
    Field("item_operations", "integer", "floating-point operations of embedding a new item, its towers included"),
    Field("user_operations", "integer", "the same of ranking the catalogue for a user"),
    Field("known_bytes", "integer", "bytes that serve the items there are: embeddings and head"),
    Field("new_bytes", "integer", "bytes that embed others too: towers, trained part and head"),
    Field("best_epoch", "integer", "the epoch whose state was judged, from 1"),
)
"""The columns of what was measured, but for accuracy."""
FIELDS = CELL + COSTS
"""The columns that every table has, in order. Those of accuracy follow, named by the task:

`HR@10` is the metric of the test users, `valid HR@10` that of validation, `users_warm` and `HR@10 warm` of a slice.
"""


def frame(records: Iterable[Record], disturbed: bool = False) -> pd.DataFrame:
    """One row a record, failed ones included, in their order: the columns of FIELDS, then those of accuracy.

    `disturbed`: epochs that lost more than a fifth to waiting count for T as well.
    """
    rows = [{**row(record, disturbed), **_question(record), **_place(record), **_valid(record)} for record in records]
    for one in rows:
        del one["machine"]  # which stands in columns of its own
    types = {field.name: TYPES[field.type] for field in FIELDS}
    names = [*types, *(name for name in dict.fromkeys(name for one in rows for name in one) if name not in types)]
    columns = {name: [one.get(name) for one in rows] for name in names}
    return pd.DataFrame({name: _series(values, types.get(name) or _type_of(name)) for name, values in columns.items()})


def _type_of(name: str) -> str:
    """The type of a column that the task names."""
    return TYPES["integer"] if name.startswith("users_") else TYPES["number"]


def _series(values: list[Any], dtype: str) -> pd.Series:
    if dtype == TYPES["moment"]:
        return pd.Series([_moment(text) for text in values], dtype=dtype)
    return pd.Series(values, dtype=dtype)


def _moment(text: str) -> datetime | None:
    """In UTC, which is what a record means that names no zone."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the first or last day of the calendar, in a record of whatever origin
        return None


def _question(record: Record) -> dict[str, Any]:
    """What the cell was to do."""
    cell, towers = record.cell, record.cell.backbones
    sections = {**cell.training.model_dump(), **cell.head.model_dump(), **cell.evaluation.model_dump()}
    sections |= {"epochs_asked": sections.pop("epochs"), "patience": str(sections["patience"])}
    sections["cuda_graphs"] = sections["compile"] == "reduce-overhead"
    sections["compile"] = bool(sections["compile"])
    sections["equal_memory"] = sections.pop("memory")
    del sections["batch"]  # "published" leaves it to the method: the record says what it was
    plain = ("task", "dataset", "dataset_fingerprint", "modalities", "missing_images", "device", "deterministic")
    reading = ("weights", "text_pooling", "image_pooling", "text_length", "image_side")
    return {
        **{name: getattr(cell, name) for name in plain},
        "planned": record.plan is not None,
        "options": canonical_json(cell.options),
        "rates": canonical_json(cell.rates),
        "text_backbone": towers.text,
        "image_backbone": towers.image,
        "backbones_fingerprint": towers.fingerprint or None,
        **{name: getattr(towers, name) for name in reading},
        **sections,
    }


def _place(record: Record) -> dict[str, Any]:
    """Where it did it, and by which code."""
    environment = record.environment
    return {
        "cpu": environment.cpu or None,
        "cores": environment.cores or None,
        "gpu": environment.gpu,
        "threads": environment.threads or None,
        "torch": environment.versions.get("torch"),
        "version": record.cell.version or None,
        "commit": environment.commit,
        "dirty": environment.dirty,
    }


def _valid(record: Record) -> dict[str, Any]:
    found = record.accuracy.valid.metrics if record.accuracy else {}
    return {f"valid {metric.name}": found.get(metric.name) for metric in record.metrics}
