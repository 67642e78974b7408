"""The source `prepared`: a folder that `bench data prepare` wrote, known by its card."""

from pathlib import Path

import numpy as np

from ...files import digest, file_digest
from ..pictures.files import ImageFiles
from ..preparation.card import CARD, PICTURES, Card, read_card
from ..preparation.reading import read_features, read_interactions, read_items, read_users
from ..preparation.stored import StoredPictures
from ..raw import RawData
from .registry import register
from .source import Source


@register("prepared")
class PreparedFolder(Source):
    """a folder that bench data prepare wrote, known by its card.json"""

    usage = "PATH"

    def read(self) -> RawData:
        card = read_card(self.path)
        items, users = read_items(self.path, card), read_users(self.path, card)
        has_pictures = PICTURES in card.files
        return RawData(
            name=card.name,
            ids=items.ids,
            texts=items.texts,
            images=ImageFiles(StoredPictures(self.path, items)) if has_pictures else None,
            interactions=read_interactions(self.path, card, len(users), len(items.ids)),
            facts=_facts(card),
            missing_images=np.flatnonzero(items.sizes == 0).tolist() if has_pictures else (),
            user_ids=users,
            links=items.links,
            features=read_features(self.path, card, len(items.ids)),
            split=card.split,
        )

    def fingerprint(self) -> str:
        """Of the card, which has a checksum of every file."""
        read_card(self.path)
        return digest("prepared", file_digest(self.path / CARD))

    def label(self, written: str) -> str:
        """The folder's name."""
        del written
        return self.path.resolve().name

    def picture_folders(self) -> list[Path]:
        return [self.path]

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        """What the card says."""
        del pictures, strict
        card = read_card(self.path)
        counts = ", ".join(f"{counted.kept:,} {kind}" for kind, counted in card.counts.items())
        return [f"{counts}, prepared from {card.source}, split {card.split}"]


def _facts(card: Card) -> dict[str, str | int | float]:
    """Those of the source, and what was asked for and dropped."""
    options = card.options.model_dump(exclude_defaults=True, exclude={"split"})
    facts = {name: value for name, value in card.facts.items() if not name.endswith(" file")}  # it isn't read from them
    facts |= {"prepared from": card.source, "split": card.split}
    if options:
        facts["prepared with"] = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in options.items())
    for reason, count in card.counts["interactions"].dropped.items():
        facts[f"interactions dropped before, {reason}"] = count
    if repeated := card.counts["interactions"].repeated:
        facts["interactions repeated by windows"] = repeated
    return facts
