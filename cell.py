"""The cell: one combination of a study, and the words that its settings may take. The question to a record's answer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .files import canonical_json, digest
from .patience import Patience
from .values import (
    Batch,
    Count,
    Dropout,
    Epochs,
    HistoryLength,
    ImageSide,
    JSONTable,
    LearningRate,
    MemorySize,
    PositiveSeconds,
    RateScale,
    RecordedName,
    TextLength,
    Threads,
    Width,
)

Family = Literal["full", "embedded", "hybrid", "decoupled", "reference"]
"""Of a method: it trains the towers whole, inside them (gradients cross them), at their top over frozen layers, beside
them (no gradients cross), or has none."""
Modality = Literal["text", "image"]
Modalities = Literal["both", "text", "image"]
MissingImages = Literal["neutral", "drop", "error"]
Weights = Literal["pretrained", "random"]
Pooling = Literal["auto", "cls", "last", "mean", "pooler"]
"""How a tower's sequence of states becomes one vector: at the first position, at the last token, as the mean of all
tokens or patches, as the model's own pooled output; `auto`: as its family does."""
Encode = Literal["unique", "every-slot"]
CacheDtype = Literal["float16", "bfloat16", "float32"]
Rate = Literal["lr", "towers", "head_lr", "learning_rate_scale"]
"""Learning rates that a study may give a method: of all that its item encoder trains, of what it trains inside the
towers, and of the head; and a factor of its own for those that are not given."""
Rates = dict[Rate, LearningRate]


class Schema(BaseModel):
    """Records refuse unknown keys: a misspelt field must not vanish silently. Numbers are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class BackboneChoice(Schema):
    """Which pair of towers, and how they are read. `text` and `image` are what they are called: no path.

    `fingerprint` covers configuration and weights, or is a hub id's revision: of each tower sixteen hex digits, nothing
    where it is unknown, joined by `+`.
    """

    text: RecordedName | None
    image: RecordedName | None
    weights: Weights = "pretrained"
    text_pooling: Pooling = "auto"
    image_pooling: Pooling = "auto"
    text_length: TextLength = 30
    image_side: ImageSide | None = None
    fingerprint: str = ""

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each tower by modality, "" where it is unknown."""
        towers = [name for name in ("text", "image") if getattr(self, name)]
        parts = self.fingerprint.split("+")
        return dict(zip(towers, parts, strict=True)) if len(parts) == len(towers) else dict.fromkeys(towers, "")


class Training(Schema):
    """How a method is trained, the same for every method of a study."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    epochs: Epochs = 30
    """The most epochs."""
    patience: Patience = "1900 steps"
    """How long training goes on without a better epoch, in epochs or steps; the default is what the published ten
    epochs are on Amazon Scientific."""
    batch: Batch | Literal["published"] = 64
    """Sequences of a batch, or `published`: each method its own, as the paper did."""
    memory: MemorySize | None = None
    """Equal memory in place of equal batches: each method takes the largest batch whose planned peak fits in this much
    (`2GiB`), and its rates, which are of `batch`, times the square root of how many times larger that is."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of forward and backward; parameters and ranking are float32."""
    encode: Encode = "unique"
    """`unique` encodes each distinct item of a batch once, and no more of it than is read; `every-slot` encodes
    padding, repeats and all positions, as the published code does."""
    learning_rate_scale: RateScale = 1.0
    """A factor for the methods' own learning rates."""
    cache_dtype: CacheDtype = "float16"
    """Of the feature cache's states. In `bf16` a method reads a bfloat16 cache as it is; others are converted."""
    cache_on: Literal["auto", "gpu", "host"] = "auto"
    """Where training reads the feature cache: held on the `gpu`, copied from the `host` at every step, or `auto`: on
    the GPU where it takes no more than half of what is free there."""
    compile: bool | Literal["reduce-overhead"] = False
    """Whether torch compiles towers that gradients cross, networks beside them and, on a card, the head.
    `reduce-overhead` has it record CUDA graphs as well, which launch what they hold at once, one for each size of a
    batch: on a card, with `encode = "every-slot"`, for what reads a cache: texts are padded to their longest."""
    gradient_checkpointing: bool = False
    """Whether towers that gradients cross compute activations again instead of keeping them."""


class Head(Schema):
    """The recommender above the items, the same for every method."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    width: Width = 64
    """Columns of an embedding."""
    dropout: Dropout = 0.1
    """The share that is dropped in it."""
    max_length: HistoryLength = 10
    """Items of a history that it sees."""


class Evaluation(Schema):
    """How a ranking is judged."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    repeat_targets: Literal["miss", "rank"] = "miss"
    """What becomes of a target that its user's history holds already: a miss, as published, or a rank among all items,
    none of which is masked then."""
    evaluated_users: Annotated[Count, Field(ge=1)] | None = None
    """Ranks so many users, drawn once and the same for all methods, instead of everyone."""


SECTIONS: dict[str, type[Schema]] = {"training": Training, "head": Head, "evaluation": Evaluation}
"""The settings of the protocol, which a study and a cell have alike."""


def current(key: str) -> str:
    """A setting's key as it is called today: version 1 of studies and records had all of SECTIONS under `training`."""
    section, _, name = key.partition(".")
    if section != "training" or name in Training.model_fields:
        return key
    return next((f"{now}.{name}" for now, model in SECTIONS.items() if name in model.model_fields), key)


def upgrade(values: Any) -> Any:
    """A study's or cell's values in today's form; what isn't a table stays, for validation to refuse."""
    if not isinstance(values, dict) or not isinstance(values.get("training"), dict):
        return values
    new = {**values, "training": {}}
    for name, value in values["training"].items():
        section = current(f"training.{name}").partition(".")[0]
        there = new.setdefault(section, {})
        if not isinstance(there, dict) or name in there:  # given twice: refused where it was
            section = "training"
        new[section] = {**new[section], name: value}
    return new


SEQUENTIAL = "sequential"
"""The task of a cell that names none."""


class Cell(Schema):
    """One combination of a study: everything that decides its result.

    `dataset`, like the names of the towers, is a label: a cell is the same when its fingerprints are, whatever its data
    and towers are called and wherever they stand. `version`, `timeout` and `point` decide no result, so they are not in
    the id.
    `rates`: learning rates that stand in place of the method's own, which no `learning_rate_scale` touches; one that
    stands among them does so in place of the study's. `search`: the settings of which this cell is one point of a sweep
    or search; of all points of one, a single setting becomes a row. `point`: its place among them, from 1; 0 where
    that is not known.
    `costs`: only what training costs is measured, and no accuracy.
    """

    task: RecordedName = SEQUENTIAL
    method: RecordedName
    options: JSONTable = {}
    rates: Rates = {}
    search: Annotated[list[RecordedName], Field(max_length=100)] = []
    point: Count = 0
    dataset: RecordedName
    dataset_fingerprint: str = ""
    modalities: Modalities = "both"
    missing_images: MissingImages = "neutral"
    backbones: BackboneChoice
    training: Training = Training()
    head: Head = Head()
    evaluation: Evaluation = Evaluation()
    costs: bool = False
    seed: Count = 0
    repeat: Count = 0
    device: RecordedName = "cpu"
    threads: Threads = 0
    deterministic: bool = False
    timeout: PositiveSeconds | None = None
    version: str = ""

    @property
    def id(self) -> str:
        """Sixteen hex digits of the hash of what the cell is."""
        return digest(canonical_json(self.identity()))[:16]

    def identity(self) -> dict[str, Any]:
        """What the cell is: all settings, with fingerprints in place of the labels wherever they are known."""
        towers = {name: known or getattr(self.backbones, name) for name, known in self.backbones.fingerprints.items()}
        reading = self.backbones.model_dump(mode="json", exclude={"text", "image", "fingerprint"})
        if self.backbones.image_pooling == "auto":  # as before there was a choice
            del reading["image_pooling"]
        loose = {"dataset_fingerprint", "backbones", "version", "timeout", "point"}
        settings = self.model_dump(mode="json", exclude=loose)
        for name in ("rates", "search", "costs"):
            if not settings[name]:  # as before there were any
                del settings[name]
        if self.training.memory is None:  # as before there could be one
            del settings["training"]["memory"]
        if self.training.cache_on == "auto":  # as before there was a choice
            del settings["training"]["cache_on"]
        if self.task == SEQUENTIAL:  # as before there was another
            del settings["task"]
        return {
            **settings,
            "dataset": self.dataset_fingerprint or self.dataset,
            "backbones": {**reading, **towers},
        }
