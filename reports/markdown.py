"""The report as markdown, ready for a README or a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from .pages import Page

TEMPLATES = Path(__file__).with_name("templates")


def environment() -> Environment:
    """Jinja over the package's templates; markdown and TeX are no HTML and escape by filters of their own."""
    html = ("html", "html.jinja")
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is None or name.endswith(html),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def cell(text: object) -> str:
    """Text that cannot break out of a table's cell or turn into markup."""
    line = " ".join(str(text).split()).replace("\\", "\\\\")
    for sign in "|*_<`[":
        line = line.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return line


def marked(text: str, mark: str) -> str:
    """The best value bold, the second underlined."""
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(mark, text)


def render(title: str, notes: list[str], pages: list[Page]) -> str:
    """The whole document; pictures are linked as `pictures/<name>.png`."""
    jinja = environment()
    jinja.filters |= {"cell": cell, "marked": marked}
    return jinja.get_template("report.md.jinja").render(title=title, notes=notes, pages=pages)
