"""The report's tables for a paper: booktabs, the best value bold, the second underlined."""

from .pages import Page
from .tables import Table

LEFT_OUT = ("cells", "settings", "failures")
SIGNS = {"±": r"$\pm$", "–": "--", "Δ": r"$\Delta$", "−": "$-$"}
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
WRAPPERS = {"best": "textbf:--rwrap;", "second": "underline:--rwrap;", "": ""}


def escape(text: object) -> str:
    """Text that TeX prints as it stands."""
    return "".join(ESCAPES.get(sign, SIGNS.get(sign, sign)) for sign in str(text))


def tabular(table: Table, label: str) -> str:
    """One floating table."""
    texts = table.texts.map(escape).rename(columns=escape)
    texts.insert(0, escape(table.index), [escape(row) for row in texts.index])
    marks = table.marks.rename(columns=escape)
    marks.insert(0, escape(table.index), "")
    texts, marks = texts.reset_index(drop=True), marks.reset_index(drop=True)
    styler = texts.style.hide(axis="index").apply(lambda _: marks.map(lambda mark: WRAPPERS[mark]), axis=None)
    alignment = "l" + "".join("l" if column.kind == "text" else "r" for column in table.columns)
    return styler.to_latex(
        hrules=True,
        column_format=alignment,
        caption=escape(table.caption),
        label=f"tab:{label}",
        position_float="centering",
        position="t",
    )


def render(title: str, pages: list[Page]) -> str:
    """All tables, to be put into a document with \\input; it needs \\usepackage{booktabs}."""
    lines = [f"% {title}".replace("\n", " "), "% needs \\usepackage{booktabs}", ""]
    for page in pages:
        suffix = f"-{page.comparison.name}" if page.comparison.name else ""
        lines.append(f"% {page.comparison.title}")
        lines += [tabular(t, t.name + suffix) for t in page.tables() if t.name not in LEFT_OUT]
    return "\n".join(lines)
