"""The report's tables for a paper: booktabs, the best value bold, the second underlined."""

from itertools import pairwise

from ...text import visible
from ..pages import Page
from ..tables.table import Table

LEFT_OUT = ("cells", "settings", "failures", "search-")
SIGNS = {"†": r"\dag{}", "‡": r"\ddag{}", "±": r"$\pm$", "–": "--", "Δ": r"$\Delta$", "−": "$-$"}
# A row that begins with a bracket or a star would be an argument of the line break before it.
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
MARKS = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}


def escape(text: object) -> str:
    """Text that TeX prints as it stands, in one line: a line end would leave a comment."""
    line = visible(text)
    # Two hyphens, quotes or commas in a row would be drawn as one other sign.
    joined = ["{}" if sign == before and sign in "-'," else "" for before, sign in pairwise(f" {line}")]
    return "".join(gap + ESCAPES.get(sign, SIGNS.get(sign, sign)) for gap, sign in zip(joined, line, strict=True))


def tabular(table: Table, label: str) -> str:
    """One floating table."""
    alignment = "l" + "".join("l" if column.kind == "text" else "r" for column in table.columns)
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{label}}}",
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


def render(title: str, notes: list[str], pages: list[Page]) -> str:
    """All tables, to be put into a document with \\input; it needs \\usepackage{booktabs}. Notes are comments."""
    lines = []
    for page in pages:
        if lines:
            lines.append("\\clearpage\n")  # LaTeX keeps no more than some fifty tables waiting for a page
        suffix = f"-{page.comparison.name}" if page.comparison.name else ""
        lines.append(f"% {visible(page.comparison.title)}")
        lines += [f"% {visible(failure)}" for failure in page.failures()]
        lines += [tabular(t, t.name + suffix) for t in page.tables() if not t.name.startswith(LEFT_OUT)]
    needs = ["% needs \\usepackage{booktabs}"]
    if not "".join(lines).isascii():
        needs.append("% and, for letters beyond ASCII, XeLaTeX or LuaLaTeX with a font that has them")
    return "\n".join([f"% {visible(title)}", *(f"% {visible(note)}" for note in notes), *needs, "", *lines])
