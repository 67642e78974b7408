"""The report's tables for a paper: booktabs, the best value bold, the second underlined; together and one file each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ...errors import BenchError, quoted, unknown
from ...text import visible
from ..analysis.machine import MACHINE

if TYPE_CHECKING:
    from ..analysis.comparison import Comparison
    from ..pages import Page
    from ..tables.table import Table

LEFT_OUT = ("cells", "settings", "failures", "search-")
FOLDER = "tables"
SIGNS = {"†": r"\dag{}", "‡": r"\ddag{}", "±": r"$\pm$", "–": "--", "Δ": r"$\Delta$", "−": "$-$"}
# A row that begins with a bracket or a star would be an argument of the line break before it.
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
MARKS = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}

_PREFIX = re.compile(r"[A-Za-z0-9:._-]{0,100}")
_NO_LABEL = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True)
class TexOptions:
    """Which tables, by their names or those of sections (none: all that a paper may want), and of which columns.

    `columns`: by key or heading, in this order, of the tables that have any of them. `prefix` begins every label.
    BenchError for a prefix that TeX would not take as it stands.
    """

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    prefix: str = "tab:"

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise BenchError(f"--label-prefix {quoted(self.prefix)}: write it of letters, digits and : . _ -")


def escape(text: object) -> str:
    """Text that TeX prints as it stands, in one line: a line end would leave a comment."""
    line = visible(text)
    # Two hyphens, quotes or commas in a row would be drawn as one other sign.
    joined = ["{}" if sign == before and sign in "-'," else "" for before, sign in pairwise(f" {line}")]
    return "".join(gap + ESCAPES.get(sign, SIGNS.get(sign, sign)) for gap, sign in zip(joined, line, strict=True))


def tabular(table: Table, label: str, facts: str = "") -> str:
    """One floating table, whose caption ends with `facts`; its notes are comments above it, as TeX has them."""
    alignment = "l" + "".join("l" if column.kind == "text" else "r" for column in table.columns)
    caption = f"{table.caption}. {facts}" if facts else table.caption
    lines = [
        *(f"% {escape(note)}" for note in table.notes),
        r"\begin{table}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        row([escape(heading) for heading in (table.index, *table.texts.columns)]),
        r"\midrule",
    ]
    for name, texts, marks in zip(table.texts.index, table.texts.to_numpy(), table.marks.to_numpy(), strict=True):
        marked = [MARKS[mark] % escape(text) for text, mark in zip(texts, marks, strict=True)]
        lines.append(row([escape(name), *marked]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def row(cells: list[str]) -> str:
    """A row of escaped cells."""
    return " & ".join(cells) + r" \\"


def files(title: str, notes: list[str], pages: Sequence[Page], options: TexOptions) -> dict[str, str | bytes]:
    """`report.tex` with all chosen tables, and each by itself as `tables/<name>.tex`, by path.

    Either is put into a document with \\input and needs \\usepackage{booktabs}. BenchError for tables or columns that
    are in none of the pages.
    """
    found: dict[str, str | bytes] = {"report.tex": ""}
    lines = list[str]()
    for page, tables in zip(pages, chosen(pages, options), strict=True):
        if lines:
            lines.append("\\clearpage\n")  # LaTeX keeps no more than some fifty tables waiting for a page
        lines.append(f"% {visible(page.comparison.title)}")
        lines += [f"% {visible(failure)}" for failure in page.failures()]
        facts = in_words(page.comparison)
        for table in tables:
            name = _NO_LABEL.sub("-", table.name) + (f"-{page.comparison.name}" if page.comparison.name else "")
            text = tabular(table, options.prefix + name, facts)
            lines.append(text)
            found[f"{FOLDER}/{name}.tex"] = "\n".join([*needs(text), text])
    head = [f"% {visible(title)}", *(f"% {visible(note)}" for note in notes), *needs("\n".join(lines)), ""]
    return found | {"report.tex": "\n".join([*head, *lines])}


def needs(text: str) -> Iterator[str]:
    """What a document must load for a text, as comments."""
    yield "% needs \\usepackage{booktabs}"
    if not all(line.isascii() for line in text.splitlines() if not line.startswith("%")):
        yield "% and, for letters beyond ASCII, XeLaTeX or LuaLaTeX with a font that has them"


def in_words(comparison: Comparison) -> str:
    """What every caption must say: dataset, towers, seeds and machine."""
    seeds, known = len({result.record.cell.seed for result in comparison.results}), comparison.conditions
    parts = [f"Dataset {known['dataset']}", f"towers {comparison.towers}" if comparison.towers else ""]
    parts.append(f"{seeds} seeds" if seeds > 1 else "one seed")
    counted = ("cores", "threads")
    parts += [f"{known[name]} {name}" if name in counted else known[name] for name in MACHINE if known.get(name)]
    return ", ".join(filter(None, parts)) + "."


def chosen(pages: Sequence[Page], options: TexOptions) -> list[list[Table]]:
    """Of each page the tables that are asked for, with the columns that are. BenchError as of `files`."""
    named = [[(part.name, table) for part in page.sections for table in part.tables] for page in pages]
    known = {name for of_page in named for part, table in of_page for name in (part, table.name)}
    for name in options.tables:
        if name not in known:
            raise unknown("table or section (--tables)", name, sorted(known))

    def wanted(part: str, table: Table) -> bool:
        if options.tables:
            return not {part, table.name}.isdisjoint(options.tables)
        return not table.name.startswith(LEFT_OUT)

    found = [[table for part, table in of_page if wanted(part, table)] for of_page in named]
    columns = [column for of_page in found for table in of_page for column in table.columns]
    headings = {name for column in columns for name in (column.key, column.heading)}
    for name in options.columns:
        if name not in headings:
            raise unknown("column of these tables (--columns)", name, sorted(headings))
    return [[_with_columns(table, options.columns) for table in of_page] for of_page in found]


def _with_columns(table: Table, names: Sequence[str]) -> Table:
    """The table with the named columns in this order; as it is when it has none of them."""
    columns = [column for name in names for column in table.columns if name in (column.key, column.heading)]
    return replace(table, columns=tuple(dict.fromkeys(columns))) if columns else table
