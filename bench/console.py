"""What the command prints goes through here: text stays text, and no line of it commands a terminal or a workflow."""

import sys
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from ..reports.formats.grid import Grid
from ..text import visible
from .github import inert


class Screen(Console):
    """A rich console that knows no markup: brackets are brackets, and control characters are shown escaped."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(file=cast(IO[str], _Log(sys.stderr if stderr else sys.stdout)), quiet=quiet)

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        """Every string that rich is about to show, in a table or by itself."""
        return super().render_str(
            visible(text), *args, **options | {"markup": False, "emoji": False, "highlight": False}
        )

    def say(self, message: object, style: str = "") -> None:
        """One line, however long, so that a path in it can be copied."""
        self.print(str(message), style=style or None, soft_wrap=True)


class _Log:
    """A stream on which no line begins with a command to a workflow, wherever a line was broken."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, lines: str) -> int:
        return self._stream.write(inert(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def forgive_encodings() -> None:
    """Makes standard output and error show what their encoding lacks as `\\u5546` instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def wrapping_table(*headings: str) -> Grid:
    """A table that wraps what is too long for it: a shortened name could not be copied."""
    return Grid(*headings, fold=True, box=None)
