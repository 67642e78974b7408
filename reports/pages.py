"""What a report says of a comparison, section by section, for every format alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pandas as pd

from ..errors import BenchError
from .analysis import sensitivity
from .analysis.across import alike
from .analysis.comparison import Comparison
from .analysis.convergence import doubts
from .analysis.mixtures import mixtures
from .analysis.paired import user_tests
from .analysis.planned import Planned
from .analysis.provenance import provenance
from .analysis.pscp import Penalties
from .analysis.tpme import CostWeights, rankable, tpme
from .analysis.verdicts import verdicts
from .figures import accuracy as plot_accuracy
from .figures import caching as plot_caching
from .figures import costs as plot_costs
from .figures import edges as plot_edges
from .figures import equal_time as plot_equal_time
from .figures import learning as plot_learning
from .figures import search as plot_search
from .figures import sensitivity as plot_sensitivity
from .figures.drawing import Picture
from .figures.looks import looks
from .formats.provenance import provenance_line
from .formats.sentences import lowest, verdict_sentences
from .tables import anatomy, caching, energy, equal_time, headline, search, significance, use
from .tables.across import across_table
from .tables.convergence import convergence_table
from .tables.main import main_table
from .tables.planned import planned_table
from .tables.settings import settings_table, tuning, warnings
from .tables.table import Table, cells_table, failures_table, targets_table

T = TypeVar("T")


@dataclass
class Section:
    """A heading with its text, tables and pictures. `name` is its anchor; `aside` marks what few will read.

    What cannot be made is named in the section's text and takes nothing else with it.
    """

    name: str
    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    aside: bool = False

    def table(self, build: Callable[..., Table | None], *values: Any, **options: Any) -> Table | None:
        """Adds the table that `build(*values, **options)` makes, if there is one."""
        made = attempt(self.failures, build, *values, **options)
        self.tables += [made] if made else []
        return made

    def picture(self, build: Callable[..., Picture | None], *values: Any, **options: Any) -> None:
        """Adds the picture that `build(*values, **options)` draws, if there is one."""
        made = attempt(self.failures, build, *values, **options)
        self.pictures += [made] if made else []


def attempt(failures: list[str], build: Callable[..., T | None], *values: Any, **options: Any) -> T | None:
    """What `build(*values, **options)` makes; when that fails, a sentence in `failures`, and nothing else is lost."""
    try:
        made = build(*values, **options)
        if isinstance(made, Table):
            _ = made.marks  # texts and marks are made when they are first asked for
    except (BenchError, OSError):
        raise
    except Exception as error:
        name = build.__name__.replace("_", " ")  # pyright: ignore[reportFunctionMemberAccess]
        failures.append(f"A part of this report, '{name}', could not be made ({type(error).__name__}: {error}).")
        return None
    return made


@dataclass(frozen=True)
class Page:
    """One comparison's part of a report. `reference`: the row that others are held against.

    `findings`: what `verdicts` say, a sentence each. `provenance`: where it all comes from, in a line.
    """

    comparison: Comparison
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...] = field(default=())
    reference: str = ""
    provenance: str = ""

    @property
    def first_screen(self) -> tuple[Section, ...]:
        """The sections down to the main table and the pictures beside it; warnings stand between them and the rest."""
        names = [section.name for section in self.sections]
        return self.sections[: names.index("overview") + 1 if "overview" in names else 0]

    @property
    def rest(self) -> tuple[Section, ...]:
        """The sections after those."""
        return self.sections[len(self.first_screen) :]

    def pictures(self) -> list[Picture]:
        """All pictures, in order."""
        return [picture for section in self.sections for picture in section.pictures]

    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]

    def failures(self) -> list[str]:
        """What could not be made, a sentence each."""
        return [failure for section in self.sections for failure in section.failures]


def build(
    comparison: Comparison,
    weights: CostWeights,
    reference: str,
    penalties: Penalties | None = None,
    planned: Planned | None = None,
) -> Page:
    """Everything a report shows of a comparison. `reference` is a row or a method; `planned` cells stand beside it."""
    reference = comparison.row(reference)
    failures: list[str] = []
    tests = attempt(failures, user_tests, comparison, reference)
    tests = pd.DataFrame() if tests is None else tests
    drafts = [
        attempt(failures, overview, comparison, weights, reference, penalties, tests),
        attempt(failures, searched, comparison),
        attempt(failures, accuracy, comparison, reference, tests),
        attempt(failures, costs, comparison, reference, planned),
        attempt(failures, caches, comparison),
        attempt(failures, weighing, comparison, weights, reference, tests),
        aside("cells", "Every cell", cells_table, comparison),
        attempt(failures, tried, comparison),
        aside("settings", "Settings", settings_table, comparison),
    ]
    sections = [draft for draft in drafts if draft and (draft.tables or draft.pictures or draft.failures)]
    for section in sections:
        name_pictures(section, comparison.name)
    decided = attempt(failures, verdicts, comparison, weights, reference, tests)
    lines = attempt(failures, verdict_sentences, decided) if decided else None
    remarks = [line for of in (doubts, mixtures, warnings) for line in attempt(failures, of, comparison) or []]
    origin = attempt(failures, provenance, comparison)
    return Page(
        comparison,
        tuple(lines or ()),
        (*remarks, *failures),
        tuple(sections),
        reference,
        provenance_line(origin) if origin else "",
    )


def with_summary(page: Page, pages: Sequence[Page], reference: str) -> Page:
    """The page with a summary over datasets at its top, where it is the first of several that differ in that alone."""
    for group in alike([each.comparison for each in pages]):
        if group[0] is page.comparison:
            titles = ", ".join(comparison.conditions["dataset"] for comparison in group)
            section = Section("datasets", f"Over {len(group)} datasets", [f"This and what follows: {titles}."])
            section.table(across_table, group, page.comparison.row(reference))
            return replace(page, sections=(section, *page.sections)) if section.tables or section.failures else page
    return page


def aside(name: str, title: str, build_table: Callable[[Comparison], Table], comparison: Comparison) -> Section:
    """A section of one long table, for the few who look something up."""
    section = Section(name, title, aside=True)
    section.table(build_table, comparison)
    return section


def name_pictures(section: Section, suffix: str) -> None:
    """Tells the section's pictures apart from those of other comparisons by their names."""
    if suffix:
        section.pictures = [replace(picture, name=f"{picture.name}-{suffix}") for picture in section.pictures]


def overview(
    comparison: Comparison, weights: CostWeights, reference: str, penalties: Penalties | None, tests: pd.DataFrame
) -> Section:
    """The answer at a glance: the main table, failures, and accuracy against each cost."""
    section = Section("overview", "Accuracy, costs and TPME")
    section.table(main_table, comparison, weights, reference, penalties, tests)
    section.table(failures_table, comparison)
    section.table(headline.headline_table, comparison)
    ranked = comparison.ranked if rankable(comparison.ranked) else comparison.ranked.iloc[:0]
    section.picture(plot_accuracy.accuracy_panels, comparison, tpme(ranked, weights)["tpme"], reference)
    return section


def searched(comparison: Comparison) -> Section:
    """What was chosen of the settings that were tried."""
    section = Section("search", "How the settings were chosen")
    section.table(search.choices_table, comparison)
    section.picture(plot_search.search_panels, comparison, search.rows(comparison))
    return section


def tried(comparison: Comparison) -> Section:
    """Every setting that was tried, a table a search."""
    section = Section("tried", "Every setting that was tried", aside=True)
    for number, (label, one) in enumerate(zip(search.rows(comparison), comparison.searches, strict=True), 1):
        section.table(search.points_table, comparison, one, label, number)
    return section


def weighing(comparison: Comparison, weights: CostWeights, reference: str, tests: pd.DataFrame) -> Section:
    """TPME, and how it depends on its weights and on the compared methods; empty where there is none."""
    section = Section("weights", "TPME and its weights")
    ranked, known = comparison.ranked, looks(comparison.methods)
    if not rankable(ranked):
        return section
    scored = tpme(ranked, weights)
    section.text.append(lowest(scored["tpme"]))
    section.picture(plot_costs.tpme_parts, scored, weights, ranked)
    section.table(sensitivity.weights_table, comparison, weights, reference)
    if not section.table(sensitivity.reversals_table, comparison, weights):
        section.text.append("Leaving out any one method changes the order by TPME of no two others.")

    def map_of_weights() -> Picture:
        maps = [plot_sensitivity.Map("all methods", "all methods", sensitivity.regions(ranked))]
        contenders = significance.not_worse(comparison, tests)
        if 0 < len(contenders) < len(ranked):
            below = "below" if comparison.primary.better == "more" else "above"
            among = f"those whose {comparison.primary.name} is not significantly {below} {reference}'s"
            title = f"not significantly {below} {reference}"
            maps.append(plot_sensitivity.Map(title, among, sensitivity.regions(ranked, contenders)))
        return plot_sensitivity.ternary(maps, known)

    section.picture(map_of_weights)
    section.picture(plot_edges.edges, ranked, known)
    return section


def caches(comparison: Comparison) -> Section:
    """What caching saves."""
    section = Section("caching", "What caching saves")
    section.table(caching.cache_table, comparison)
    section.table(caching.break_even_table, comparison)
    section.table(caching.start_table, comparison)
    section.picture(plot_caching.caching_plot, comparison)
    return section


def accuracy(comparison: Comparison, reference: str, tests: pd.DataFrame) -> Section:
    """Tests, kinds of target, and accuracy over training."""
    section = Section("accuracy", "Accuracy", [f"Learning rates: {tuning(comparison)}."])
    if section.table(significance.tests_table, comparison, tests, reference) is None:
        section.text.append(f"No paired tests: ranks of {reference} and of another method are needed.")
    section.table(significance.families_table, comparison)
    section.table(convergence_table, comparison)
    section.table(targets_table, comparison)
    section.picture(plot_learning.learning_curves, comparison)
    for metric in comparison.headline:
        section.table(equal_time.equal_time_table, comparison, reference, metric)
        section.table(equal_time.leaders_table, comparison, reference, metric)
    section.table(equal_time.target_table, comparison, reference)
    for metric in comparison.headline:
        section.picture(plot_equal_time.equal_time, comparison, metric.name)
    return section


def costs(comparison: Comparison, reference: str, planned: Planned | None = None) -> Section:
    """What the costs are made of, and what they were planned to be."""
    section = Section("costs", "Where time, memory and parameters go")
    if planned:
        section.table(planned_table, comparison, planned)
    section.table(anatomy.savings_table, comparison, reference=reference)
    section.table(significance.ratios_table, comparison, reference=reference)
    for table in (anatomy.time_table, anatomy.memory_table, anatomy.parameters_table, anatomy.operations_table):
        section.table(table, comparison)
    section.table(use.use_table, comparison)
    if section.table(energy.energy_table, comparison) is None:
        section.text += [line for line in [energy.unmeasured(comparison)] if line]
    section.text += [line for line in [use.unmeasured(comparison)] if line]
    for picture in (plot_costs.epoch_time, plot_costs.memory_kinds, plot_costs.memory_phases):
        section.picture(picture, comparison)
    return section
