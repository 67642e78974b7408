"""What several commands' options have in common."""

from pathlib import Path
from typing import Literal

import typer

from ...files import is_possible

Form = Literal["table", "markdown", "json", "junit"]
"""How a verdict is printed."""


def path(text: str) -> Path:
    """A path of the command line; one that no file can have is refused together with its option."""
    if not (text and is_possible(Path(text))):
        raise typer.BadParameter("no file can have such a name" if text else "empty, where a path is needed")
    return Path(text)
