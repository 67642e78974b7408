"""Which cells of two runs are the same experiment.

Two cells match when all settings are equal except those that say where and with which code they ran: version,
fingerprints of data and weights, threads, time-out, the number of the card, and where a local folder stands (its name
counts). Seed and repeat are paired apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ..reports.records import Cell, Record

Settings = dict[str, Any]

_NOT_SETTINGS = {"seed", "repeat", "version", "dataset_fingerprint", "threads", "timeout"}
_PLACES = ("dataset", "backbones.text", "backbones.image")


def settings(cell: Cell) -> Settings:
    """A cell's settings as one flat dictionary: `method`, `options.r`, `training.precision`, …"""
    flat = _flatten(cell.model_dump(mode="json", exclude=_NOT_SETTINGS))
    del flat["backbones.fingerprint"]
    flat |= {name: _portable(flat[name]) for name in _PLACES}
    return flat | {"device": cell.device.partition(":")[0]}


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the settings in which two cells differ.

    A setting that only one of them knows is no difference (a newer version may have added it), but an option is.
    """
    names = dict.fromkeys([*first, *second])
    return [
        name
        for name in names
        if ((name in first and name in second) or name.startswith("options.")) and first.get(name) != second.get(name)
    ]


def same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells are the same experiment."""
    return not differing(first, second)


def same_setting(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two cells differ in nothing but the method and its options, as a method and its reference do."""
    return all(name == "method" or name.startswith("options.") for name in differing(first, second))


def names(cases: Sequence[Settings]) -> list[str]:
    """A name for each case: the method, and what else sets it apart from the others."""
    known = dict.fromkeys(name for case in cases for name in case if name != "method")
    telling = [
        name
        for name in known
        if not name.startswith("options.") and _vary(name, [case for case in cases if name in case])
    ]
    result = []
    for case in cases:
        twins = [other for other in cases if other["method"] == case["method"]]
        # Options are told between cells of the same method only; everything else that varies is always told.
        options = [name for name in known if name.startswith("options.") and _vary(name, twins)]
        shown = [name for name in [*options, *telling] if name in case]
        details = ", ".join(f"{name.rpartition('.')[2]}={case[name]}" for name in shown)
        result.append(f"{case['method']} ({details})" if details else case["method"])
    return result


def group(records: Sequence[Record]) -> list[tuple[Settings, list[Record]]]:
    """Records by experiment: one group holds the seeds and repeats of one cell."""
    groups: list[tuple[Settings, list[Record]]] = []
    for record in records:
        mine = settings(record.cell)
        known = next((members for shared, members in groups if shared == mine), None)
        if known is None:
            groups.append((mine, [record]))
        else:
            known.append(record)
    return groups


def _vary(name: str, cases: Sequence[Settings]) -> bool:
    return len({repr(case.get(name)) for case in cases}) > 1


def _portable(value: str | None) -> str | None:
    """`iisan-release:/data/shop` → `iisan-release:shop`: a folder goes by its name."""
    if value is None:
        return None
    kind, colon, place = value.rpartition(":")
    return kind + colon + PurePath(place).name if PurePath(place).is_absolute() else value


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Settings:
    flat: Settings = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat
