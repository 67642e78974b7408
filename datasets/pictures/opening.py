"""From the names of a catalogue's pictures, and the folder or zip where they lie, to pictures by item."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import ImageFiles
from .finding import find, is_hidden
from .places import open_place


@dataclass(frozen=True)
class Pictures:
    """Pictures of items in the order in which their names were given.

    `images`: item number r + 1 is row r. `missing`: rows without a file. What is there but cannot be shown,
    `images.bad` tells. `facts`: what a report says of how they were found.
    """

    images: ImageFiles
    missing: list[int]
    facts: dict[str, str | int | float]


def open_pictures(place: Path, names: Sequence[str | None], allowed: Sequence[Path] = ()) -> Pictures:
    """Each item's picture in a folder or a zip, found by `finding.find` from its name, None where it has none.

    `allowed`: folders, beside the place itself, to which files in it may be links. BenchError for a place that is
    neither folder nor zip. No picture is opened.
    """
    where = open_place(place, allowed)
    found = find(where, names)
    files = [None if name is None else where.file(name) for name in found.files]
    missing = [row for row, name in enumerate(found.files) if name is None]
    facts: dict[str, str | int | float] = {}
    looked = next((str(names[row]) for row in missing if names[row] and row not in found.refused), None)
    if looked is not None:
        facts["picture looked for"] = looked
        if there := next((name for name in sorted(where.sizes) if not is_hidden(name)), ""):
            facts["picture there"] = there
    if found.several:
        facts["items with several pictures"] = found.several
    return Pictures(ImageFiles(files, found.refused), missing, facts)
