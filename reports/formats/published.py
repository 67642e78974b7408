"""Links from a page to the reports that the repository holds, where the page stands in it, too."""

import os
import re
from pathlib import Path
from urllib.parse import quote

_ROOT = Path(__file__).resolve().parents[2]
_PATH = re.compile(r"(reports/published/[a-z0-9-]+/report\.md)")


def linked(text: str, output: Path | None) -> list[tuple[str, str]]:
    """The text in pieces, each with where it leads, "" for most: a published report's path to that report.

    `output` is the directory in which the page will stand. A page that stands elsewhere, such as one that an installed
    package writes, and a report that isn't there give no link: the path alone says where to look.
    """
    pieces = [piece for piece in _PATH.split(text) if piece]
    return [(piece, _target(piece, output) if _PATH.fullmatch(piece) else "") for piece in pieces]


def _target(path: str, output: Path | None) -> str:
    if output is None or not output.resolve().is_relative_to(_ROOT) or not (_ROOT / path).is_file():
        return ""
    return quote(Path(os.path.relpath(_ROOT / path, output.resolve())).as_posix())
