"""The backbones and pairs that go by a short name."""

from dataclasses import dataclass
from pathlib import Path

from ...cell import Modality
from ...errors import BenchError, quoted, unknown

MICRO = Path(__file__).parents[1] / "micro"
"""The folder of the towers that come with the suite."""
GENERATED = "generated"
"""The tower whose states come from a formula."""
FEATURES = "features"
"""The tower of one state: the vectors that a dataset brings."""
WITHOUT_MODEL = (GENERATED, FEATURES)


@dataclass(frozen=True)
class Named:
    """A backbone known by a short name: where its weights are, and the configuration class whose defaults it has."""

    source: str
    config: str | None = None


TEXT = {
    "micro": Named(str(MICRO / "text")),
    "bert-base": Named("google-bert/bert-base-uncased", "BertConfig"),
    "clip-b32": Named("openai/clip-vit-base-patch32", "CLIPTextConfig"),
}
IMAGE = {
    "micro": Named(str(MICRO / "image")),
    "vit-base": Named("google/vit-base-patch16-224", "ViTConfig"),
    "clip-b32": Named("openai/clip-vit-base-patch32", "CLIPVisionConfig"),
}
PAIRS = {
    "micro": ("micro", "micro"),
    "bert-base+vit-base": ("bert-base", "vit-base"),
    "clip-b32": ("clip-b32", "clip-b32"),
    FEATURES: (FEATURES, FEATURES),
}


def parse_pair(name: str) -> tuple[str, str]:
    """`micro`, `bert-base+vit-base`, `clip-b32`, `features`, or any `TEXT+IMAGE` of names, folders or hub ids."""
    if name in PAIRS:
        return PAIRS[name]
    text, plus, image = name.partition("+")
    if not plus or not text or not image:
        raise unknown("pair of backbones", name, [*PAIRS, "TEXT+IMAGE"])
    return text, image


def towers(modality: Modality) -> dict[str, Named]:
    """The towers of a modality that go by a short name."""
    return TEXT if modality == "text" else IMAGE


def place_of(modality: Modality, name: str) -> str:
    """The folder or hub id that a tower's name stands for, its own where there is no model; BenchError for no name."""
    named = towers(modality).get(name)
    if named is not None:
        return named.source
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return str(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise BenchError(f"{modality} backbone {quoted(name)}: {error.args[-1]}; correct it") from error
    if name not in WITHOUT_MODEL and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        known = [*sorted(towers(modality)), *WITHOUT_MODEL, "a model folder", "a hub id owner/name"]
        raise unknown(f"{modality} backbone", name, known)
    return name
