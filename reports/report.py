"""Writes a report over one or several studies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ..errors import BenchError, unknown
from ..files import write_atomic
from ..ownership import claim
from . import pages
from .analysis.comparison import Comparison, compare
from .analysis.frame import frame
from .analysis.joining import apart
from .analysis.planned import set_apart
from .analysis.pscp import Penalties
from .analysis.results import Result, load
from .analysis.tpme import CostWeights
from .formats import export, html, latex, markdown

MICRO = {"1d9da90f2c2ad3fc", "069f8609fc00b22b"}
"""Fingerprints of the built-in towers, of text and of pictures."""
FORMATS = ("md", "html", "tex", "csv", "parquet")


@dataclass(frozen=True)
class ReportOptions:
    """What to write. `reference`: whom others are held against; `output`: by default the first study's directory.

    `disturbed`: epochs that lost more than a fifth to waiting count for T as well. `tex`: which tables LaTeX gets.
    `penalties`: the constants of PSCP.
    """

    formats: tuple[str, ...] = ("md",)
    weights: CostWeights = field(default_factory=CostWeights)
    reference: str = "fft"
    output: Path | None = None
    disturbed: bool = False
    tex: latex.TexOptions = field(default_factory=latex.TexOptions)
    penalties: Penalties = field(default_factory=Penalties)

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise unknown("report format", name, list(FORMATS))
        if self.tex != latex.TexOptions() and "tex" not in self.formats:
            raise BenchError("--tables, --columns and --label-prefix are of LaTeX's tables: add tex to --format")


@dataclass(frozen=True)
class Head:
    """What a report begins with: its title, what a reader must know of the whole, and the results that it is of."""

    title: str
    notes: list[str]
    results: list[Result]

    def records(self, disturbed: bool) -> pd.DataFrame:
        """Its records, a row a cell."""
        return frame([result.record for result in self.results], disturbed)


def write_report(
    directories: list[Path], options: ReportOptions | None = None, say: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Writes `report.<format>` and what it has beside it; returns the files, pages first.

    Pages and LaTeX have `pictures/`, LaTeX `tables/` too, data `records.<format>`.

    What was planned stands beside what was measured in a table of its own, and in no other.

    Records that cannot be read are left out, named in the head and told to `say`. BenchError when a directory has no
    records, or the reference method is in none of them; and, once all others are written, when a format could not be
    made.
    """
    options = options or ReportOptions()
    output = options.output or directories[0]
    damage: list[str] = []
    results, planned = set_apart(load(directories, damage))
    comparisons = compare(results, options.disturbed)
    if not comparisons:
        raise BenchError(f"{directories[0]}: no record can be read, the first as {damage[0]}")
    for line in damage:
        say(f"left out: {line}")
    left_out = [f"Left out: {line}." for line in damage]
    remarks = [*own_notes(results), *notes(comparisons), *towers(comparisons), *apart(results), *left_out]
    check_reference(comparisons, options.reference)
    claim(output, "--out" if options.output else "report")
    scoring = (options.weights, options.reference, options.penalties, planned)
    built = [pages.build(comparison, *scoring) for comparison in comparisons]
    built = [pages.with_summary(page, built, options.reference) for page in built]
    head = Head(title(comparisons), [*remarks, *(planned.unmatched if planned else [])], results)
    latex.chosen(built, options.tex)  # a name that is in none of the pages is told before anything is written
    written, failures = [], []
    for kind in FORMATS:
        if kind in options.formats:
            try:
                files = render(kind, head, built, options, output)
            except (BenchError, OSError):
                raise
            except Exception as error:  # one format that fails must not take the others with it
                failures.append(f"report.{kind} could not be made ({type(error).__name__}: {error})")
                continue
            for name, content in files.items():
                written.append(output / name)
                write_atomic(written[-1], content)
    drawn = picture_formats(options.formats)
    for picture in (picture for page in built for picture in page.pictures()):
        written += picture.save(output / "pictures", drawn)
    if failures:
        others = ", ".join(path.name for path in written if path.parent == output) or "no other format"
        raise BenchError(f"{output}: {'; '.join(failures)}; written: {others}")
    return written


def render(
    kind: str, head: Head, built: list[pages.Page], options: ReportOptions, output: Path
) -> dict[str, str | bytes]:
    """A report in one of the formats, and what that has beside it: files by name."""
    if kind in export.EXPORTS:
        return export.exported(kind, built, head.records(options.disturbed))
    if kind == "md":
        text = markdown.render(head.title, head.notes, built, output)
    elif kind == "html":
        text = html.render(head.title, head.notes, built, options.weights, output)
    else:
        return latex.files(head.title, head.notes, built, options.tex)
    return {f"report.{kind}": text}


def picture_formats(formats: tuple[str, ...]) -> list[str]:
    """As what a report in some formats needs its pictures: pages as PNG and SVG, LaTeX as PDF."""
    pages_too = not {"md", "html"}.isdisjoint(formats)
    return [*(("png", "svg") if pages_too else ()), *(("pdf",) if "tex" in formats else ())]


def check_reference(comparisons: list[Comparison], reference: str) -> None:
    """The default reference may be absent from a study; a name that the user gave must not be."""
    rows = [comparison.methods["method"] for comparison in comparisons]
    known = sorted({str(name) for methods in rows for name in (*methods.index, *methods)})
    if reference not in known and reference != ReportOptions.reference:
        raise unknown("reference method", reference, known)


def title(comparisons: list[Comparison]) -> str:
    """The names of the studies, and of the comparison when there is but one."""
    studies = dict.fromkeys(result.record.study for comparison in comparisons for result in comparison.results)
    return f"{', '.join(studies)}: {comparisons[0].title}" if len(comparisons) == 1 else ", ".join(studies)


def own_notes(results: list[Result]) -> list[str]:
    """What the studies say of themselves, a line each, with the study's name where there are several."""
    studies = {result.record.study for result in results}
    said = dict.fromkeys((result.record.study, result.record.note) for result in results if result.record.note)
    return [note if len(studies) == 1 else f"{study}: {note}" for study, note in said]


def notes(comparisons: list[Comparison]) -> list[str]:
    """Why the report has several rankings, when it has."""
    if len(comparisons) == 1:
        return []
    lines = [
        f"The cells fall into {len(comparisons)} comparisons, each ranked by itself: numbers of different datasets, "
        "backbones, training settings, machines or memory meters are never put in one ranking."
    ]
    if len({comparison.named for comparison in comparisons}) < len(comparisons):
        lines.append("Data or towers of one name that differ are told by their fingerprints; the newest stand first.")
    return lines


def is_micro(result: Result) -> bool:
    """Whether a cell is on a built-in tower, whatever the study calls it."""
    towers = result.record.cell.backbones
    return "micro" in (towers.text, towers.image) or not MICRO.isdisjoint(towers.fingerprints.values())


def towers(comparisons: list[Comparison]) -> list[str]:
    """What a reader must know of the built-in towers, when a comparison is on them."""
    on_micro = [
        comparison
        for comparison in comparisons
        if comparison.conditions["backbone weights"] == "pretrained" and any(map(is_micro, comparison.results))
    ]
    if not on_micro:
        return []
    return [
        "The built-in micro towers were trained so that their last state loses much of what the states below it hold "
        "(methods/micro/CARD.md): where methods that read those below, as iisan and frozen-mix do, are ahead of "
        "frozen, that may be these towers' doing and need not hold of others."
    ]
