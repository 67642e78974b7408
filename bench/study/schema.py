"""What a study may say: its keys, their bounds and what they mean. `bench show` and the reference show the meanings."""

from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from ...cell import SEQUENTIAL, Evaluation, Head, MissingImages, Modalities, Pooling, Training, Weights
from ...errors import BenchError
from ...values import (
    Epochs,
    ImageSide,
    JSONList,
    JSONTable,
    Name,
    Note,
    PathPart,
    PositiveSeconds,
    Repetitions,
    Seconds,
    TextLength,
    Threads,
)
from .variants import split_methods

DEMO_METHODS = ("fft", "adapter", "lora", "bitfit", "iisan", "iisan-cached", "frozen")
REFERENCE_ROWS = ("popularity", "random", "content-knn", "sasrec-id")

ANY = "*"
"""In a sweep, every method that a setting concerns."""

MOST_CELLS = 100_000
"""Of a study: they are planned at once."""

Values = Annotated[JSONList, Field(min_length=1, max_length=1000)]
"""Of one setting, to be tried."""
Names = Annotated[list[Name], Field(min_length=1, max_length=1000)]


class Towers(BaseModel):
    """A pair of towers under a name of the study's own: each a name that we know, a folder or a hub id."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    text: Name | None = None
    """The text tower."""
    image: Name | None = None
    """The image tower."""


# Told apart by their shape, so that a mistake in one form is not reported as one in the other.
Pair = Annotated[
    Annotated[Name, Tag("name")] | Annotated[Towers, Tag("towers")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "towers"),
]
Pairs = Annotated[
    Annotated[Names, Tag("names")] | Annotated[dict[Name, Pair], Field(min_length=1, max_length=1000), Tag("table")],
    Discriminator(lambda value: "table" if isinstance(value, dict) else "names"),
]


class Study(BaseModel):
    """Methods × datasets × backbones × seeds, and the protocol that all of them share."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True, use_attribute_docstrings=True)

    name: PathPart = "study"
    """Its directory below `runs`, unless `--out` names another, and what records call it."""
    note: Note = ""
    """What a reader of its report must know of the study, shown in the report's head."""
    task: Name = SEQUENTIAL
    """What is asked of the embeddings, by name or as code from outside."""
    methods: Names = list(DEMO_METHODS)
    """Names, perhaps with settings (`lora:r=16,lr=4e-4`), each of which is a row; `all` for every one."""
    references: bool = True
    """Whether the reference rows (popularity, random, content-knn, sasrec-id) run too."""
    datasets: Names = ["bazaar"]
    """`bazaar`, perhaps with settings, a folder with a `dataset.toml`, or as `bench list datasets` says."""
    backbones: Pairs = ["micro"]
    """Pairs by name or as TEXT+IMAGE, or a table that gives pairs names of its own, which records then bear."""
    text_backbone: Name | None = None
    """A text tower (a name, a folder or a hub id) in place of that of the pairs."""
    image_backbone: Name | None = None
    """An image tower in place of that of the pairs."""
    weights: Weights = "pretrained"
    """`random` measures costs without any weights."""
    text_pooling: Pooling = "auto"
    """How a text tower's states become one vector; `auto`: as its family does."""
    image_pooling: Pooling = "auto"
    """The same of an image tower."""
    text_length: TextLength = 30
    """Tokens of a text that are read."""
    image_side: ImageSide | None = None
    """Pixels of a picture's side; unless given, what the tower's own files say."""
    modalities: Modalities = "both"
    """What items are read by."""
    missing_images: MissingImages = "neutral"
    """What becomes of items without a picture: a neutral one, left out, or an error. Where most have none, it must be
    chosen."""
    seeds: Repetitions = 1
    """How many training seeds, from 0."""
    repeats: Repetitions = 1
    """Timing repeats of each seed, methods taking turns."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the GPU when there is one."""
    threads: Threads = 0
    """Of a cell on the CPU; 0: as torch chooses."""
    deterministic: bool = False
    """Whether kernels are fixed, too, so that a GPU gives the same ranks again."""
    timeout: PositiveSeconds | None = None
    """Seconds after which a cell is stopped."""
    checkpoint_seconds: Seconds = 60.0
    """How often a cell writes down where it is, so that an interrupted one goes on from there."""
    repeat_disturbed: Annotated[int, Field(ge=0, le=1000)] = 0
    """How often an epoch that lost more than 5 % to other work is run again, from the same state."""
    test_every_epoch: bool = True
    """Whether the test users are judged after every epoch, which takes about as long as validation, or after those
    that are the best so far."""
    trackers: Annotated[list[Name], Field(max_length=100)] = []
    """What is told of every finished record, by name or as code from outside."""
    costs: bool = False
    """Whether only the costs are measured, by as many steps of each method as these need."""
    costs_seconds: PositiveSeconds = 300.0
    """The longest that measuring a cell's costs alone may take."""
    training: Training = Training()
    """How a method is trained, the same for every method."""
    head: Head = Head()
    """The recommender above the items, the same for every method."""
    evaluation: Evaluation = Evaluation()
    """How a ranking is judged."""
    epochs: dict[str, Epochs] = {}
    """By method: those that run another number of epochs than `training.epochs`."""
    options: dict[str, JSONTable] = {}
    """By method: its options, below those of its variants."""
    rates: dict[str, JSONTable] = {}
    """By method: learning rates (`lr`, `towers`, `head`) or a factor (`learning_rate_scale`) of its own."""
    sweep: dict[Name, dict[Name, Values]] = {}
    """By method, or `*` for all whom it concerns: the values of a setting to try in every combination."""
    points: Annotated[int, Field(ge=1, le=1000)] = 8
    """How many settings `bench tune` tries of every method."""

    @property
    def directory(self) -> Path:
        """Where it works, unless it is told another place."""
        return Path("runs") / self.name

    @field_validator("methods", "trackers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        try:
            return split_methods(value) if isinstance(value, str) else value
        except BenchError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _of_bounded_size(self) -> Self:
        every = self.sweep.get(ANY, {})
        swept = max((prod(map(len, {**every, **own}.values())) for own in self.sweep.values()), default=1)
        cells = prod((len(self.methods), len(self.datasets), len(self.backbones), self.seeds, self.repeats, swept))
        if cells > MOST_CELLS:
            raise ValueError(f"seeds, repeats, sweeps and names make {cells} cells; a study has at most {MOST_CELLS}")
        return self
