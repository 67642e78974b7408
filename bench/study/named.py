"""What a study names, each looked up before what runs it is imported: methods, towers, data, task and trackers."""

from collections.abc import Sequence

from ...cell import Modality
from ...datasets.sources.registry import check_source, outside_code
from ...methods.backbones.names import FEATURES, parse_pair, place_of
from ...methods.registry import check_name
from ...outside import canonical_name, is_outside
from ..running.trackers import check_tracker
from ..tasks.registry import check_task
from .schema import ANY, Study, Towers
from .variants import Variant

EVERY_METHOD = "all"


def check_names(study: Study, rerun: Sequence[str] = ()) -> None:
    """BenchError for what a study, or `--rerun`, names and is not there, within half a second: nothing loads torch.

    Code from outside is not looked at: that it is imported is to be said first.
    """
    for text in (*study.methods, *study.options, *study.rates, *study.epochs, *study.sweep, *rerun):
        if text not in (EVERY_METHOD, ANY):
            check_name(Variant.read(text).name)
    check_task(study.task)
    for tracker in study.trackers:
        check_tracker(tracker)
    for _, pair in pairs(study):
        for modality, name in towers(study, pair).items():
            if name is not None:
                place_of(modality, name)
    for dataset in study.datasets:
        check_source(dataset)


def outside_code_of(study: Study) -> list[str]:
    """The code from outside that planning a study imports, by name."""
    named = [*study.methods, *study.options, *study.rates, *study.epochs]
    variants = [Variant.read(name) for name in named]
    found = dict.fromkeys(each.canonical_name for each in variants if is_outside(each.name))
    found |= dict.fromkeys(filter(None, map(outside_code, study.datasets)))
    found |= dict.fromkeys(canonical_name(name) for name in (study.task, *study.trackers) if is_outside(name))
    return list(found)


def pairs(study: Study) -> list[tuple[str, Towers]]:
    """The pairs of a study under the names that it gives them, "" for one that has its own."""
    if isinstance(study.backbones, list):
        return [("", _pair(name)) for name in study.backbones]
    return [
        (name, pair) if isinstance(pair, Towers) else (name if pair != name else "", _pair(pair))
        for name, pair in study.backbones.items()
    ]


def towers(study: Study, pair: Towers) -> dict[Modality, str | None]:
    """The towers that a study reads of a pair, None for one that it does not; a tower of its own stands over the
    pair's.
    """
    places: dict[Modality, str | None] = {
        "text": study.text_backbone or pair.text,
        "image": study.image_backbone or pair.image,
    }
    if study.modalities != "both":
        places = {name: place if name == study.modalities else None for name, place in places.items()}
    return places


def features_read(study: Study) -> list[tuple[Modality, ...]]:
    """Of each pair of a study the modalities that are read from the features which a dataset brings."""
    read = [towers(study, pair) for _, pair in pairs(study)]
    return [tuple(name for name, place in pair.items() if place == FEATURES) for pair in read]


def _pair(name: str) -> Towers:
    text, image = parse_pair(name)
    return Towers(text=text, image=image)
