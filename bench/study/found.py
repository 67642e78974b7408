"""What a study's data turned out to be, said before anything trains: what was read, kept, dropped, and is missing."""

from collections.abc import Iterator, Mapping, Sequence

from ...datasets.sources.loading import load_dataset
from ...datasets.sources.registry import open_source
from ...errors import BenchError
from ...methods.backbones.source import BackboneSource
from ...reports.analysis.data_facts import bad_pictures, missing_warnings
from ..console import Screen
from ..tasks.registry import find_task
from .grid import Planned
from .named import features_read
from .schema import Study

Facts = Mapping[str, str | int | float]

MOST_MISSING = 0.5
"""The share of pictures above which their names must be wrong: an error, unless `missing_images` was chosen."""


def describe_data(study: Study, console: Screen, *, read: bool) -> None:
    """Says what each dataset of a study holds; reads it whole with `read`, else only headers and names of pictures.

    BenchError when most pictures are missing and nobody said that they may be.
    """
    chosen = "missing_images" in study.model_fields_set
    for spec in study.datasets:
        if not read:
            for line in open_source(spec).inspect(pictures=study.modalities != "text", strict=not chosen):
                console.say(f"{spec}: {line}")
            continue
        said = dict[str, str]()
        for facts in _readings(spec, study):
            if not chosen:
                refuse_missing(spec, facts)
            said |= dict.fromkeys((f"{spec}: {line}" for line in lines(facts)), "")
            said |= dict.fromkeys((f"warning: {spec}: {line}" for line in missing_warnings(facts)), "yellow")
            bad = bad_pictures(facts)
            named = [f"warning: {spec}: {bad[0]}:", *(f"    {name}" for name in bad[1:])] if bad else []
            said |= dict.fromkeys(named, "yellow")
        for line, style in said.items():
            console.say(line, style=style)


def _readings(spec: str, study: Study) -> Iterator[Facts]:
    """What a dataset holds: once for its texts and pictures, and once for each pair of towers that reads its features
    in place of some.
    """
    for features in dict.fromkeys(features_read(study)):
        yield load_dataset(
            spec,
            modalities=study.modalities,
            missing_images=study.missing_images,
            features=features,
            max_length=study.head.max_length,
            split=find_task(study.task)(study).split,
        ).facts


def refuse_missing(spec: str, facts: Facts) -> None:
    """BenchError when more than half of the items would show the neutral picture."""
    missing, items = int(facts.get("missing images", 0)), int(facts["items"])
    if missing > MOST_MISSING * items:
        raise BenchError(
            f"dataset '{spec}': {missing} of {items} items have no picture{_example(facts)}{_bad(facts)}: correct the "
            "names, or say --set missing_images=neutral (or drop, error)"
        )


def picture_lines(cells: Sequence[Planned], study: Study) -> Iterator[str]:
    """How the pictures of each image tower are prepared, of those whose files are here."""
    places = {each.places.image: each.cell.backbones.image for each in cells if each.method.kind == "method"}
    for place, name in places.items():
        if not place:
            continue
        source = BackboneSource("image", place, study.weights)
        if not source.is_model or source.is_shipped or not source.is_local:
            continue
        prepared = source.prepared
        if study.image_side is None and prepared.side is not None:
            yield f"image tower '{name}': pictures of {prepared.side} pixels, as its {prepared.said_by} says"
        for note in source.pixels.notes:
            yield f"note: image tower '{name}': {note}"


def lines(facts: Facts) -> list[str]:
    """What was found: how the tables were read, what was kept, how it comes split, what is missing."""
    dropped = {
        "users": "with too few interactions",
        "items": "in no kept history",
        "interactions": "of dropped users, or too early in a history",
    }
    counts, without = [], int(facts.get("items dropped without image", 0))
    for name, why in dropped.items():
        count = int(facts.get(f"{name} dropped", 0)) - (without if name == "items" else 0)
        counts.append(f"{int(facts[name]):,} {name}" + (f" ({count:,} dropped: {why})" if count else ""))
    shown = []
    for name, missing in _SHOWN.items():
        if missing in facts:
            count = int(facts[missing])
            shown.append(f"{name}: {count:,} of {int(facts['items']):,} missing" if count else f"{name}: all there")
    if several := int(facts.get("items with several pictures", 0)):
        shown.append(f"{several:,} {'item has' if several == 1 else 'items have'} several, of which one is taken")
    if without:
        shown.append(f"{without:,} {'item' if without == 1 else 'items'} dropped without picture")
    files = "; ".join(str(facts[f"{name} file"]) for name in ("interactions", "items") if f"{name} file" in facts)
    missing = ", ".join(shown) + _example(facts) if shown else ""
    found = [f"read from {files}"] if files else []
    return [*found, ", ".join(counts), *_split(facts), *([missing] if missing else [])]


def _split(facts: Facts) -> list[str]:
    """How many users each part has, of a split that the data come with."""
    if "training users" not in facts:
        return []
    users = ", ".join(
        f"{int(facts[f'{part} users']):,} {words}"
        for part, words in (("training", "users trained on"), ("validation", "in validation"), ("test", "in test"))
    )
    return [f"split {facts['split']}: {users}"]


def _bad(facts: Facts) -> str:
    bad = facts.get("bad pictures")
    return f" ({bad} of them are there but cannot be shown: {facts.get('first bad pictures')})" if bad else ""


_SHOWN = {
    "titles": "missing titles",
    "pictures": "missing images",
    "text features": "missing text features",
    "image features": "missing image features",
}
"""What items show, and the fact that counts those that do not."""


def _example(facts: Facts) -> str:
    looked, there = facts.get("picture looked for"), facts.get("picture there")
    if not looked:
        return ""
    return f" (looked for '{looked}', " + (f"there is '{there}')" if there else "the folder is empty)")
