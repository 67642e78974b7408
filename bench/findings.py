"""What a comparison found: one row a number, shown on the terminal and as markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..reports.formats import NONE, Kind, quantity
from ..reports.markdown import escape

if TYPE_CHECKING:
    from ..reports.grid import Grid

Verdict = Literal["worse", "failed", "missing", "better", "changed", "noise", "same", "new", "not judged"]

HEADINGS = ("method", "number", "before", "now", "change", "verdict", "why")
_STYLES = {"worse": "bold red", "failed": "bold red", "missing": "bold red", "better": "green", "changed": "yellow"}


@dataclass(frozen=True)
class Finding:
    """One number before and now, and what to think of it. `change` is relative: 0.1 is a tenth more."""

    case: str
    number: str
    verdict: Verdict
    before: float | None = None
    now: float | None = None
    kind: Kind = "count"
    change: float | None = None
    why: str = ""

    def texts(self) -> tuple[str, ...]:
        """The row's cells, in the order of HEADINGS."""
        shown = [_exactly(value, self.kind) for value in (self.before, self.now)]
        change = NONE if self.change is None else f"{self.change:+.1%}"
        return (self.case, self.number, *shown, change, self.verdict, self.why)


def relative(before: float, now: float) -> float | None:
    """The relative change, None from zero to something."""
    if before == now:
        return 0.0
    return now / before - 1 if before else None


def terminal(title: str, findings: Sequence[Finding], caption: str = "") -> "Grid":
    """A rich table, verdicts in colour."""
    from rich import box

    from ..reports.grid import Grid

    table = Grid(title=title, caption=caption, box=box.SIMPLE_HEAD, title_justify="left")
    table.caption_justify = "left"
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("before", "now", "change") else "left")
    for finding in findings:
        table.add_row(*finding.texts(), style=_STYLES.get(finding.verdict))
    return table


def markdown(title: str, findings: Sequence[Finding], caption: str = "") -> str:
    """The same table for a job summary or a pull request."""
    lines = [f"## {escape(title)}", ""]
    if findings:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|--:|--:|--:|---|---|"]
        lines += ["| " + " | ".join(map(escape, finding.texts())) + " |" for finding in findings]
        lines.append("")
    if caption:
        lines += [escape(caption), ""]
    return "\n".join(lines)


def _exactly(value: float | None, kind: Kind) -> str:
    """Whole numbers that are small enough to read are not rounded: a change of one must show."""
    if kind == "count" and value is not None and abs(value) < 1e9:
        return f"{value:,.0f}"
    return quantity(value, kind)
