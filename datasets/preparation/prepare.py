"""`bench data prepare`: a source read once, filtered, split, and written as a folder that every study can name."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from ...errors import BenchError
from ...files import canonical_json, digest, lock, write_atomic
from ...ownership import MARKER, claim
from ..pictures.opening import open_pictures
from ..pictures.places import listed
from ..raw import RawData
from ..sources.registry import label, open_source
from .card import CARD, FORMAT, INTERACTIONS, ITEMS, LINKS, PICTURES, USERS, Card, Counted, FileName, read_card, stamp
from .ledger import KINDS, Ledger
from .options import Preparation
from .packing import Packed, Tell, forget, pack
from .selection import Selection, select
from .writing import write_features, write_interactions, write_items, write_links, write_users

_NAMES = {CARD, MARKER, *get_args(FileName)}


@dataclass(frozen=True)
class Request:
    """What is to be prepared: a dataset's name, a folder or zip in which its pictures lie apart, and how."""

    spec: str
    pictures: Path | None
    options: Preparation

    def digest(self) -> str:
        """What identifies it: the same source, unchanged, and the same options."""
        pictures = [] if self.pictures is None else ["pictures", *listed(self.pictures)]
        options = canonical_json(self.options.model_dump(mode="json"))
        return digest(FORMAT, "1", label(self.spec), open_source(self.spec).fingerprint(), options, *pictures)

    def read(self) -> RawData:
        """The source's data; pictures from elsewhere are those named by the items' ids."""
        raw = open_source(self.spec).read()
        if self.pictures is None:
            return raw
        found = open_pictures(self.pictures, raw.ids)
        return replace(raw, images=found.images, missing_images=found.missing)


def prepare_dataset(wanted: Request, out: Path, tell: Tell) -> tuple[Card, bool]:
    """Writes the folder `out`; its card, and whether anything was written.

    A folder that holds the same already stays as it is. What an interrupted preparation left is gone on with.
    BenchError for whatever is wrong with the source, and for a folder that holds something else.
    """
    tell("looking at the source", 0, 0)
    asked = wanted.digest()
    _take(out)
    with lock(out / CARD):
        if (out / CARD).exists():
            card = read_card(out)
            if card.request != asked:
                raise BenchError(
                    f"--out {out}: holds {card.source}, prepared from other data or with other options: name another "
                    "folder, or remove it"
                )
            forget(out)
            return card, False
        for abandoned in out.glob(".*.tmp"):
            abandoned.unlink()
        tell("reading", 0, 0)
        card = _written(wanted, asked, out, tell)
        write_atomic(out / CARD, card.written())
        forget(out)
    return card, True


def _take(out: Path) -> None:
    claim(out, "--out")
    others = sorted(path.name for path in out.iterdir() if path.name not in _NAMES and path.name[:1] != ".")
    if others:
        raise BenchError(f"--out {out}: holds '{others[0]}', which is no part of a dataset: name a new folder")


def _written(wanted: Request, asked: str, out: Path, tell: Tell) -> Card:
    raw = wanted.read()
    tell("filtering", 0, 0)
    selection = select(raw, wanted.options)
    tell("writing tables", 0, 0)
    write_interactions(out, selection)
    write_users(out, selection, raw.user_ids)
    raw, ledger = replace(raw, interactions=selection.interactions), selection.ledger
    packed = _packed(raw, selection, asked, out, tell)
    write_items(out, selection.items, raw, packed)
    names: list[FileName] = [INTERACTIONS, USERS, ITEMS]
    if packed is not None:
        names.append(PICTURES)
    if write_links(out, selection.items, raw, packed):
        names.append(LINKS)
    names += write_features(out, selection.items, raw.features)
    tell("checksums", 0, 0)
    return Card(
        name=raw.name,
        source=label(wanted.spec),
        request=asked,
        options=selection.options,
        counts={kind: _counted(ledger, kind) for kind in KINDS},
        files={name: stamp(out / name) for name in names},
        facts={key: value for key, value in raw.facts.items() if key not in _OF_SEARCH},
    )


_OF_SEARCH = {"picture looked for", "picture there"}


def _packed(raw: RawData, selection: Selection, asked: str, out: Path, tell: Tell) -> Packed | None:
    if raw.images is None:
        return None
    rows = selection.items.copy()
    rows[np.isin(rows, np.asarray(raw.missing_images, dtype=np.int64))] = -1
    return pack(out, raw.images, rows, asked, tell)


def _counted(ledger: Ledger, kind: str) -> Counted:
    return Counted(
        read=ledger.read[kind],
        dropped=ledger.dropped[kind],
        repeated=ledger.repeated.get(kind, 0),
        kept=ledger.kept()[kind],
    )
