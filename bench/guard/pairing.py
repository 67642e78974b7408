"""Which cells of two runs are the same experiment.

Two cells match when all settings are equal except those that say where and with which code they ran: version,
fingerprints of data and weights, threads, time-out, the number of the GPU, and where a local folder stands (its name
counts). Seed and repeat are paired apart; whether a cell is a point of a search changes nothing of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ...cell import Cell
from ...reports.analysis.rows import LOOSE
from ...reports.records import Record

Settings = dict[str, Any]

_NOT_SETTINGS = {"seed", "repeat", "version", "dataset_fingerprint", "threads", "timeout", "search", "point"}
_OF_METHOD = ("options.", "rates.")
"""Beginnings of the settings that a method alone has."""
MEMORY = "training.memory"
"""What cells have equal in place of the batch; what has one and what has none are never paired."""
_PLACES = ("dataset", "backbones.text", "backbones.image")


def settings(cell: Cell) -> Settings:
    """A cell's settings as one flat dictionary: `method`, `options.r`, `training.precision`, …"""
    flat = _flatten(cell.model_dump(mode="json", exclude=_NOT_SETTINGS))
    del flat["backbones.fingerprint"]
    flat |= {name: portable(flat[name]) for name in _PLACES}
    return flat | {"device": cell.device.partition(":")[0]}


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the settings in which two cells differ.

    A setting that only one of them knows is no difference (a newer version may have added it), but an option is, and so
    is a memory that only one has in place of a batch.
    """
    names = dict.fromkeys([*first, *second])
    return [
        name
        for name in names
        if ((name in first and name in second) or name.startswith(_OF_METHOD) or name == MEMORY)
        and first.get(name) != second.get(name)
    ]


def same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells are the same experiment."""
    return not differing(first, second)


def same_as_far_as_known(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells differ in nothing but options that only one of them knows."""
    return not any(name == MEMORY or (name in first and name in second) for name in differing(first, second))


def same_method(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells are of one method on one dataset, at equal batches or at one memory alike."""
    return all(first.get(name) == second.get(name) for name in ("method", "dataset", MEMORY))


def same_setting(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells differ in nothing but the method and its options, as a method and its reference do.

    How many epochs each was given changes no cost of an epoch.
    """
    loose = ("method", *(f"training.{name}" for name in LOOSE))
    return all(name in loose or name.startswith(_OF_METHOD) for name in differing(first, second))


def names(cases: Sequence[Settings]) -> list[str]:
    """A name for each case: the method, and what else sets it apart from the others."""
    known = dict.fromkeys(name for case in cases for name in case if name != "method")
    telling = [
        name
        for name in known
        if not name.startswith(_OF_METHOD) and _vary(name, [case for case in cases if name in case])
    ]
    # Options are told between cells of the same method only; everything else that varies is always told.
    options: dict[str, list[str]] = {}
    for method in dict.fromkeys(case["method"] for case in cases):
        twins = [case for case in cases if case["method"] == method]
        options[method] = [name for name in known if name.startswith(_OF_METHOD) and _vary(name, twins)]
    result = []
    for case in cases:
        shown = [name for name in [*options[case["method"]], *telling] if name in case]
        details = ", ".join(f"{name.rpartition('.')[2]}={case[name]}" for name in shown)
        result.append(f"{case['method']} ({details})" if details else case["method"])
    return result


def group(records: Sequence[Record], beside: Sequence[Record] = ()) -> list[tuple[Settings, list[Record]]]:
    """Records by experiment: one group holds the seeds and repeats of one cell.

    Different data or towers of one name are no repeats of each other: such a name is followed by the fingerprint, here
    and in the run `beside`, with which this one is to be paired.
    """
    several = _of_several_meanings(records) | _of_several_meanings(beside)
    groups: list[tuple[Settings, list[Record]]] = []
    for record in records:
        mine = settings(record.cell) | _told_apart(record.cell, several)
        known = next((members for shared, members in groups if shared == mine), None)
        if known is None:
            groups.append((mine, [record]))
        else:
            known.append(record)
    return groups


def newest_runs(records: Sequence[Record]) -> dict[tuple[int, int], Record]:
    """The records of an experiment by seed and repeat; of one that stands twice, as with other threads, the newest."""
    return {(record.cell.seed, record.cell.repeat): record for record in records}  # they come as they were run


def _of_several_meanings(records: Sequence[Record]) -> set[tuple[str, str | None]]:
    """The labels, each with its setting, under which a run has several data or towers."""
    meanings: dict[tuple[str, str | None], set[str]] = {}
    for record in records:
        for name, (label, fingerprint) in _labelled(record.cell).items():
            meanings.setdefault((name, label), set()).update({fingerprint} - {""})
    return {named for named, found in meanings.items() if len(found) > 1}


def _told_apart(cell: Cell, several: set[tuple[str, str | None]]) -> Settings:
    """The labels of a cell that stand for several things, with what each of them is here."""
    return {
        name: f"{label} ({fingerprint[:8]})"
        for name, (label, fingerprint) in _labelled(cell).items()
        if fingerprint and (name, label) in several
    }


def _labelled(cell: Cell) -> dict[str, tuple[str | None, str]]:
    """Name and fingerprint of a cell's data and towers."""
    towers = {
        f"backbones.{name}": (portable(getattr(cell.backbones, name)), fingerprint)
        for name, fingerprint in cell.backbones.fingerprints.items()
    }
    return {"dataset": (portable(cell.dataset), cell.dataset_fingerprint)} | towers


def pair_up(first: Sequence[Settings], second: Sequence[Settings]) -> list[tuple[int, int]]:
    """Which cases of two runs belong together, as pairs of their numbers, each at most once.

    The same experiment first; then those that are the same as far as both know (a newer version may have added an
    option); then the only two cells of a method on a dataset, whatever their settings.
    """
    left, right, found = dict(enumerate(first)), dict(enumerate(second)), []
    for alike in (same, same_as_far_as_known, same_method):
        for number, wanted in list(left.items()):
            candidates = [other for other, settings in right.items() if alike(wanted, settings)]
            rivals = [other for other, settings in left.items() if candidates and alike(settings, right[candidates[0]])]
            if len(candidates) == 1 and len(rivals) == 1:
                found.append((number, candidates[0]))
                del left[number], right[candidates[0]]
    return sorted(found)


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """The settings in which two cells differ, with both values: `options.r 8 → 16`."""
    return ", ".join(f"{name} {_said(first, name)} → {_said(second, name)}" for name in differing(first, second))


def _said(settings: Mapping[str, Any], name: str) -> str:
    return str(settings[name]) if name in settings else "(unknown)"


def _vary(name: str, cases: Sequence[Settings]) -> bool:
    return len({repr(case.get(name)) for case in cases}) > 1


def portable(value: str | None) -> str | None:
    """`iisan-release:/data/shop` → `iisan-release:shop`: a folder, in an older record a path, goes by its name."""
    if value is None:
        return None
    kind, colon, place = value.rpartition(":")
    is_path = place.startswith(("/", "./", "../", "~")) or PurePath(place).is_absolute()
    return kind + colon + PurePath(place).name if is_path else value


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Settings:
    flat: Settings = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat
