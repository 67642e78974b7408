"""Tables that are generated into a page of `docs/`: where one stands in it, and how a row of it is written."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

_END = "<!-- end -->"


def table(head: list[str], rows: Iterable[str]) -> list[str]:
    """The lines of a table."""
    return [line(head), line(["---"] * len(head)), *rows]


def line(columns: list[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(columns)} |"


def filled(text: str, name: str, lines: list[str]) -> str:
    """A page with these lines in its place of that name."""
    before, begin, rest = text.partition(_begin(name))
    assert begin, f"the page has no place for {name}"
    return before + begin + "".join(f"{each}\n" for each in lines) + _END + rest.partition(_END)[2]


def rows_in(text: str, name: str) -> list[str]:
    """The rows of a page's table, without its head."""
    return text.partition(_begin(name))[2].partition(_END)[0].splitlines()[2:]


def general(found: str) -> str:
    """Why a method does not train on a tower, without method, class and remedy, which the row says or which are no
    reason.
    """
    found = re.sub(r"^(method '[^']*'|\w+Model): ", "", found).partition(";")[0]
    found = re.sub(r" in the \w+ tower \(\w+\)", "", found)
    return re.sub(r"the \w+ tower's levels are [\d, ]+ wide", "its levels are of several widths", found)


def write(path: Path, page: Callable[[str], str]) -> None:
    """Makes a page anew, with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TPMEBENCH_CACHE"] = folder
        path.write_text(page(path.read_text("utf-8")), "utf-8")


def _begin(name: str) -> str:
    return f"<!-- generated: {name} -->\n"
