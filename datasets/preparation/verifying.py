"""`bench data verify`: whether a prepared folder is as it was written, and holds what its card says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import BenchError
from ...ownership import MARKER
from ..raw import TEST, VALID, Interactions
from ..splits import PLACE
from .card import CARD, PICTURES, Card, Kind, check_bytes, read_card
from .reading import StoredItems, read_features, read_interactions, read_items, read_users
from .stored import StoredPictures

Read = TypeVar("Read")


def faults(folder: Path) -> list[str]:
    """What is wrong, a line each that names the file; none: nothing."""
    found: list[str] = []

    def tried(work: Callable[[], Read]) -> Read | None:
        try:
            return work()
        except BenchError as error:
            if str(error) not in found:
                found.append(str(error))
            return None

    card = tried(lambda: read_card(folder))
    if card is None:
        return found
    for name in card.files:
        tried(lambda name=name: check_bytes(folder, card, name))
    items, users = tried(lambda: read_items(folder, card)), tried(lambda: read_users(folder, card))
    if items is not None:
        tried(lambda: read_features(folder, card, len(items.ids)))
    if items is not None and users is not None:
        interactions = tried(lambda: read_interactions(folder, card, len(users), len(items.ids)))
        if interactions is not None:
            found += _miscounts(folder, card, {"items": len(items.ids), "interactions": len(interactions.users)})
            found += _parts(folder, interactions)
    if items is not None and PICTURES in card.files:
        found += _pictures(folder, items)
    return found + [f"{folder / name}: no part of the dataset: move it away" for name in _others(folder, card)]


def _miscounts(folder: Path, card: Card, counts: dict[Kind, int]) -> Iterator[str]:
    for kind, count in counts.items():
        counted = card.counts.get(kind)
        if counted is None or counted.kept != count:
            yield f"{folder / CARD}: says {counted.kept if counted else 0:,} {kind}, there are {count:,}"
        elif counted.read - sum(counted.dropped.values()) + counted.repeated != count:
            yield f"{folder / CARD}: what was read and dropped of the {kind} does not give the {count:,} that are there"


def _parts(folder: Path, interactions: Interactions) -> Iterator[str]:
    """Of a user one target of each kind at most, behind training."""
    users, parts = interactions.users, interactions.parts
    if parts is None:
        return
    for part, name in ((VALID, "validation"), (TEST, "test")):
        several = np.flatnonzero(np.bincount(users[parts == part]) > 1)
        if len(several):
            yield f"{folder}: user {several[0] + 1} has more than one {name} target"
    back = (users[1:] == users[:-1]) & (PLACE[parts[1:]] < PLACE[parts[:-1]])
    if back.any():
        yield f"{folder}: user {users[1:][back][0] + 1} has a target before what is trained on"


def _pictures(folder: Path, items: StoredItems) -> Iterator[str]:
    """Each distinct picture is what its item says."""
    seen = set[str]()
    for file in StoredPictures(folder, items):
        if file is None or f"{file.offset} {file.size} {file.sha256}" in seen:
            continue
        seen.add(f"{file.offset} {file.size} {file.sha256}")
        try:
            with file.open():
                pass
        except BenchError as error:
            yield str(error)


def _others(folder: Path, card: Card) -> list[str]:
    known = {CARD, MARKER, *card.files}
    return sorted(path.name for path in folder.iterdir() if path.name not in known and path.name[:1] != ".")
