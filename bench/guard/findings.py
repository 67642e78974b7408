"""What a comparison found: one row a number, and everything that is said about them, in the forms that are shown."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from ...reports.formats.markdown import escape
from ...reports.quantities import NONE, Kind, quantity
from ...text import visible
from ..github import annotation

if TYPE_CHECKING:
    from ...reports.formats.grid import Grid

Verdict = Literal[
    "worse", "failed", "missing", "warning", "better", "changed", "noise", "same", "held", "new", "not judged"
]
Format = Literal["markdown", "json", "junit"]

HEADINGS = ("method", "number", "before", "now", "change", "verdict", "why")
_STYLES = {
    "worse": "bold red",
    "failed": "bold red",
    "missing": "bold red",
    "better": "green",
    "changed": "yellow",
    "warning": "yellow",
}
QUIET = ("same", "noise")
"""Verdicts of numbers that did not change beyond noise."""
# What XML 1.0 cannot hold in any form.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Finding:
    """One number before and now, and what to think of it.

    `change` is relative: 0.1 is a tenth more. `least` is the least change for the worse that would have been found.
    """

    case: str
    number: str
    verdict: Verdict
    before: float | None = None
    now: float | None = None
    kind: Kind = "count"
    change: float | None = None
    why: str = ""
    least: float | None = None

    def texts(self) -> tuple[str, ...]:
        """The row's cells, in the order of HEADINGS."""
        shown = [_exactly(value, self.kind) for value in (self.before, self.now)]
        change = NONE if self.change is None else f"{self.change:+.1%}"
        return (self.case, self.number, *shown, change, self.verdict, self.why)

    def sentence(self) -> str:
        """The same in words."""
        _, _, before, now, change, _, why = self.texts()
        numbers = "" if self.before is None and self.now is None else f"{before} → {now}"
        if self.change is not None:
            numbers = f"{numbers} ({change})".strip()
        return "; ".join(filter(None, (numbers, why))) or self.verdict


@dataclass(frozen=True)
class Outcome:
    """A title, every number, and sentences about how they were judged. Findings of a verdict in `failing` fail."""

    title: str
    findings: Sequence[Finding]
    failing: Sequence[Verdict] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    name: str = "bench check"

    @property
    def failed(self) -> list[Finding]:
        """What a build fails on."""
        return [finding for finding in self.findings if finding.verdict in self.failing]

    @property
    def rows(self) -> list[Finding]:
        """What is shown: what fails first, then for each method how many of its numbers held, and what did not."""
        rest: dict[str, list[Finding]] = {}
        for finding in self.findings:
            rest.setdefault(finding.case, []).append(finding)
        shown = self.failed
        for case, found in rest.items():
            held = [finding for finding in found if finding.verdict in QUIET]
            if held:
                why = "; ".join(f"{one.number} {one.sentence()}" for one in held if one.least is not None)
                shown.append(Finding(case, f"{len(held)} of {len(found)} numbers", "held", why=why))
            shown += [one for one in found if one.verdict not in (*QUIET, *self.failing)]
        return shown

    def render(self, form: Format) -> str:
        """The outcome as text in one of the forms but for the table, which the terminal lays out."""
        forms: dict[str, Callable[[], str]] = {"markdown": self.markdown, "json": self.json, "junit": self.junit}
        return forms[form]()

    def table(self) -> "Grid":
        """A rich table, verdicts in colour; the notes are not in it."""
        from rich import box

        from ...reports.formats.grid import Grid

        table = Grid(title=self.title, box=box.SIMPLE_HEAD, title_justify="left")
        for heading in HEADINGS:
            right = heading in ("before", "now", "change")
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for finding in self.rows:
            table.add_row(*finding.texts(), style=_STYLES.get(finding.verdict))
        return table

    def markdown(self) -> str:
        """The same table for a job summary or a pull request."""
        lines = [f"## {escape(self.title)}", ""]
        if self.rows:
            lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|--:|--:|--:|---|---|"]
            lines += ["| " + " | ".join(map(escape, finding.texts())) + " |" for finding in self.rows]
            lines.append("")
        for note in self.notes:
            lines += [escape(note), ""]
        return "\n".join(lines)

    def json(self) -> str:
        """Every number, for a program."""
        found = [{**asdict(finding), "fails": finding.verdict in self.failing} for finding in self.findings]
        content = {"title": self.title, "failed": len(self.failed), "findings": found, "notes": list(self.notes)}
        text = json.dumps(content, indent=1, allow_nan=False)  # in ASCII, so that nothing in it moves a terminal
        return text.replace("##[", r"#\u0023[")  # as a log would take for a command of its own

    def junit(self) -> str:
        """JUnit's XML, as CI servers read it: a suite a method, a case a number, skipped what was not judged."""
        root = ElementTree.Element("testsuites", name=self.name)
        suites: dict[str, list[Finding]] = {}
        for finding in self.findings:
            suites.setdefault(finding.case, []).append(finding)
        for name, found in suites.items():
            suite = ElementTree.SubElement(root, "testsuite", _suite(name, found, self.failing))
            for finding in found:
                place = {"classname": _xml(name), "name": _xml(finding.number)}
                case = ElementTree.SubElement(suite, "testcase", place)
                message = {"message": _xml(finding.sentence())}
                if finding.verdict in self.failing:
                    ElementTree.SubElement(case, "failure", message | {"type": finding.verdict})
                elif finding.verdict in ("not judged", "warning"):
                    ElementTree.SubElement(case, "skipped", message)
        if self.notes:
            last = ElementTree.SubElement(root, "testsuite", {"name": "notes", "tests": "0"})
            ElementTree.SubElement(last, "system-out").text = "\n".join(map(_xml, self.notes))
        ElementTree.indent(root, " ")
        return ElementTree.tostring(root, encoding="unicode")

    def annotations(self) -> list[str]:
        """Lines that GitHub shows beside the job: each failure, each warning, and how much was not judged."""
        severity: dict[Verdict, Literal["error", "warning"]] = {"warning": "warning", "changed": "warning"}
        severity |= dict.fromkeys(self.failing, "error")
        lines = [
            annotation(severity[one.verdict], one.sentence(), title=f"{one.case}: {one.number} {one.verdict}")
            for one in self.rows
            if one.verdict in severity
        ]
        unjudged = [f"{one.case}, {one.number}: {one.why}" for one in self.findings if one.verdict == "not judged"]
        if unjudged:
            title = f"{self.name}: {len(unjudged)} numbers not judged"
            lines.append(annotation("notice", "\n".join(unjudged), title=title))
        return lines


def relative(before: float, now: float) -> float | None:
    """The relative change, None from zero to something."""
    if before == now:
        return 0.0
    return now / before - 1 if before else None


def judge_exact(pairs: Sequence[tuple[int, int]], tolerance: float = 0.0) -> tuple[Verdict, int, int]:
    """What a number that repeats became, before and now, over the seeds: a rise beyond the tolerance is worse.

    Of several seeds the one with the largest rise speaks; if none rose so far, the one with the largest fall.
    """
    (low, high), (before, now) = max(pairs, key=_rise), min(pairs, key=_rise)
    if high - low > tolerance * low:
        return "worse", low, high
    if before - now > tolerance * before:
        return "better", before, now
    return "same", low, high


def _rise(pair: tuple[int, int]) -> int:
    return pair[1] - pair[0]


def _suite(name: str, found: Sequence[Finding], failing: Sequence[Verdict]) -> dict[str, str]:
    counts = {
        "tests": len(found),
        "failures": sum(finding.verdict in failing for finding in found),
        "skipped": sum(finding.verdict in ("not judged", "warning") for finding in found),
    }
    return {"name": _xml(name), **{key: str(count) for key, count in counts.items()}}


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", visible(text))


def _exactly(value: float | None, kind: Kind) -> str:
    """Whole numbers that are small enough to read are not rounded: a change of one must show."""
    if kind == "count" and value is not None and abs(value) < 1e9:
        return f"{value:,.0f}"
    return quantity(value, kind)
