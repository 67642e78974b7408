"""The report as markdown, ready for a README or a pull request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...text import visible
from ..tables.table import condensed
from .jinja import environment
from .published import linked

if TYPE_CHECKING:
    from ..pages import Page

# What begins a heading, a list, a quotation or a rule, or a workflow's command where a log shows the page; and,
# anywhere, formulas, struck text, entities, bare links.
_BLOCK = re.compile(r"^(#{1,6}(?=\s|$)|>|::|[-+=](?=[-+=]*(?:\s|$))|\d+(?=[.)](?:\s|$)))")
_RARE = re.compile(r"[~$]|&(?=#?\w+;)|#(?=#*$)|:(?=//)|(?<=www)\.")


def escape(text: object) -> str:
    """Text in one line that shows itself and nothing else, wherever in a page it stands."""
    line = _RARE.sub(r"\\\g<0>", " ".join(visible(text).split()).replace("\\", "\\\\"))
    for sign in "|*_<`[":
        line = line.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return _BLOCK.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", line)


def marked(text: str, mark: str) -> Markup:
    """The best value bold, the second underlined."""
    shown = escape(text)
    return Markup({"best": f"**{shown}**", "second": f"<u>{shown}</u>"}.get(mark, shown))


def bracketed(text: object) -> Markup:
    """Text between brackets of ours, which none of its own closes."""
    return Markup(escape(text).replace("]", "\\]"))


def render(title: str, notes: list[str], pages: list[Page], output: Path | None = None) -> str:
    """The whole document; pictures are linked as `pictures/<name>.png`. `output`: where it will stand, if anywhere."""

    def note(text: str) -> Markup:
        pieces = linked(escape(text), output)  # in which a path stands as it is
        return Markup("".join(f"[{part}]({to})" if to else part for part, to in pieces))

    jinja = environment(lambda value: Markup(escape(value)))
    jinja.filters |= {"marked": marked, "bracketed": bracketed, "note": note}
    return jinja.get_template("report.md.jinja").render(title=title, notes=notes, pages=pages, condensed=condensed)
