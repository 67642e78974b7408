"""What a report says in sentences: its verdicts, with numbers and how sure they are, and who is lowest by TPME."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from ..analysis.comparison import ELSEWHERE
from ..analysis.convergence import BOUND
from ..analysis.difference import NOT_TOLD_APART, UNTESTED, Difference
from ..analysis.statistics import Interval
from ..analysis.tpme import COSTS
from ..analysis.verdicts import MOST_TESTED, Choice, Domination, Saving, Verdicts
from ..quantities import show

OF_COSTS = {"time": "time an epoch", "parameters": "parameters", "memory": "memory"}
SHARES = {0.5: "half", 0.1: "a tenth"}
TOLD = {"better": "more accurate", "worse": "less accurate"}


def verdict_sentences(found: Verdicts) -> list[str]:
    """The answer; why there is none, where there is none."""
    if not found.ranked:
        return ["No method was trained to its end with all three costs measured, so there is nothing to rank."]
    alone = [f"Only {found.lone} has all three costs, so there is nothing to choose."] if found.lone else []
    if not found.judged:
        return [*alone, *_by_costs(found)]
    lines = [*alone, *_equal(found), *_savings(found), *_without_reference(found), *_most_accurate(found)]
    return [*lines, *_dominated(found), *_how_sure(found)]


def _equal(found: Verdicts) -> list[str]:
    choice, reference, name = found.equal, found.reference, found.metric.name
    if not found.held or found.lone:
        return []
    if choice is None:
        return [f"No row keeps the {name} of {reference} ({_accuracy(found, reference)}) without being dominated."]
    if choice.against is None:
        return [f"No row that costs less keeps the {name} of {reference} ({_accuracy(found, reference)})."]
    told = choice.against.told
    if told == UNTESTED:
        begin = f"On average at least as accurate as {reference}, and cheapest"
    elif told == NOT_TOLD_APART:
        begin = f"As accurate as {reference}, as far as {_sample([choice.against])} can tell, and cheapest"
    else:
        begin = f"More accurate than {reference}, and cheapest of all that are not less accurate"
    also = [each for each in _unlike(found) if each.choice and each.choice.row == choice.row]
    most = f" It is also the most accurate at {_shares(also, reference)}." if also else ""
    return [f"{begin}: {_held(found, choice)}.{most}"]


def _savings(found: Verdicts) -> Iterable[str]:
    """Savings that leave one row the best are told together; of what nobody saves, the least that is left."""
    by_row: dict[str, list[Saving]] = {}
    equal = found.equal.row if found.equal else ""
    for each in _unlike(found):
        if each.choice and each.choice.row not in (found.reference, equal):
            by_row.setdefault(each.choice.row, []).append(each)
    for of_row in by_row.values():
        choice = of_row[0].choice
        assert choice is not None
        yield f"Most accurate at {_shares(of_row, found.reference)}: {_held(found, choice)}."
    for each in found.savings:
        if each.choice is None and each.share == max(SHARES) < each.least and not found.lone:
            least = _ratio(each.least)
            yield f"No row leaves half of {found.reference}'s {OF_COSTS[each.cost]} or less: at least {least} of it."


def _unlike(found: Verdicts) -> list[Saving]:
    """The savings without those of a tenth of a cost that are the same row's as that of half of it."""
    halves = {(each.cost, each.choice.row) for each in found.savings if each.choice and each.share == max(SHARES)}
    return [
        each
        for each in found.savings
        if each.share == max(SHARES) or not each.choice or (each.cost, each.choice.row) not in halves
    ]


def _without_reference(found: Verdicts) -> list[str]:
    if found.held or found.lone:
        return []
    lines = [f"{_why_no_reference(found)}, so nothing is held against it."]
    if found.cheapest:
        accuracy = _accuracy(found, found.cheapest.row)
        lines.append(f"The quickest that none dominates: {_names(found.cheapest)} ({found.metric.name} {accuracy}).")
    if len(found.front) > 1:
        lines.append(f"No row dominates {_listed(found.front)}: {EACH}.")
    return lines


EACH = "each is more accurate or cheaper in something than any other"


def _most_accurate(found: Verdicts) -> list[str]:
    best = found.best
    if best is None or found.lone or (found.equal and found.equal.row == best.row):
        return []
    told = _told(best.against, found.reference) if best.against else ""
    held = f", {told}" if told else ""
    word = "Highest" if found.metric.better == "more" else "Lowest"
    return [f"{word} {found.metric.name}: {_names(best)} ({_accuracy(found, best.row)}){held}."]


def _dominated(found: Verdicts) -> Iterable[str]:
    for each in found.dominated[:MOST_TESTED]:
        yield _domination(found, each)
    if rest := found.dominated[MOST_TESTED:]:
        yield f"Dominated on average, too: {_listed([f'{each.row} by {each.by}' for each in rest])}."
    if not found.dominated and found.held and not found.lone:
        yield f"No row is dominated: {EACH}."


def _domination(found: Verdicts, each: Domination) -> str:
    ours = _accuracy(found, each.by, each.difference.value)
    accuracies = f"{found.metric.name} {ours} against {_accuracy(found, each.row, each.difference.other)}"
    accuracy = f"{accuracies}, {_told(each.difference)}".removesuffix(", ")
    if not any(each.ratios.values()):
        return f"{each.by}, which trains nothing, dominates {each.row} ({accuracy})."
    return f"{each.by} dominates {each.row} ({accuracy}), at {_listed(_of_costs(each.ratios, each.time))}."


def _by_costs(found: Verdicts) -> list[str]:
    why = "the towers' weights are random, so accuracies say nothing" if found.random else "no accuracy was measured"
    choice = found.cheapest
    if choice is None or found.lone:
        return [f"{why[0].upper()}{why[1:]}."]
    if not choice.ratios:
        return [f"{why[0].upper()}{why[1:]}. {_why_no_reference(found)}; the quickest is {_names(choice)}."]
    return [f"By costs alone, as {why}: {_names(choice)} is cheapest, at {_ratios(choice, found.reference)}."]


def _how_sure(found: Verdicts) -> list[str]:
    """On what tests and intervals rest, and which accuracies are bounds."""
    choices = [found.equal, found.best, *(saving.choice for saving in found.savings)]
    held = [choice.against for choice in choices if choice and choice.against]
    held += [each.difference for each in found.dominated[:MOST_TESTED]]
    tested = [each for each in held if each.told != UNTESTED]
    lines = []
    if tested:
        lines.append(
            f"How sure: paired over {_sample(tested)}; p of the sign-flip test, Holm-corrected; 95 % intervals"
            f"{_one_seed(tested)}."
        )
    if _on_other_seeds(found, [choice for choice in choices if choice]):
        lines.append("Two rows are held against each other on the seeds that both have; the table has all of each.")
    if len(tested) < len(held):
        which = "others" if tested else "accuracies"
        lines.append(f"The {which} are untested, as no ranks of both rows were kept: means may mislead.")
    named = (
        set()
        if found.lone
        else {*found.recommended, found.reference, *(row for each in found.dominated for row in (each.row, each.by))}
    )
    if named & found.bounded:
        bound = "lower" if found.metric.better == "more" else "upper"
        lines.append(f"{BOUND}: {bound} bounds, as training had not converged; more of it may change who is ahead.")
    return lines


def _on_other_seeds(found: Verdicts, choices: Sequence[Choice]) -> bool:
    """Whether an accuracy is told that is not the row's own, as what it is held against has fewer seeds."""
    told = [(choice.row, found.reference, choice.against) for choice in choices if choice.against]
    told += [(each.by, each.row, each.difference) for each in found.dominated[:MOST_TESTED]]
    return any(
        not math.isclose(found.accuracies[row], value, abs_tol=1e-9)
        for one, other, difference in told
        for row, value in ((one, difference.value), (other, difference.other))
    )


def _one_seed(tested: Sequence[Difference]) -> str:
    return "; one seed says nothing of another training" if min(each.seeds for each in tested) == 1 else ""


def _why_no_reference(found: Verdicts) -> str:
    if found.status == "":
        return f"{found.reference} was not run"
    if found.status == ELSEWHERE:
        return f"{found.reference} stands in another comparison, as its costs were not measured here"
    if found.status != "ok":
        return f"{found.reference} has no result ({found.status})"
    return f"{found.reference} has not all of accuracy, time, parameters and memory"


def _names(choice: Choice) -> str:
    equal = f"{'is' if len(choice.tied) == 1 else 'are'} equal"
    return f"{choice.row}, to which {_listed(choice.tied)} {equal}" if choice.tied else choice.row


def _accuracy(found: Verdicts, row: str, value: float | None = None) -> str:
    """A row's own, or what it comes to beside another."""
    shown = show(found.accuracies[row] if value is None else value, "metric")
    return f"{shown}{f' {BOUND}' if row in found.bounded else ''}"


def _held(found: Verdicts, choice: Choice) -> str:
    """A row with its accuracy and costs against the reference's, and how sure that is."""
    against = choice.against
    ours, theirs = (against.value, against.other) if against else (None, None)
    accuracy = _accuracy(found, choice.row, ours)
    text = f"{found.metric.name} {accuracy} against {_accuracy(found, found.reference, theirs)}"
    if against:
        share = f", {against.share * 100:+.0f} %".replace("-", "−") if math.isfinite(against.share) else ""
        parts = [f"{_signed(against.interval.value)}{share}", _interval(against.interval, "metric"), _told(against)]
        text += f": {', '.join(filter(None, parts))}"
    return f"{_names(choice)} ({text}), at {_ratios(choice, found.reference)}"


def _told(difference: Difference, other: str = "") -> str:
    """How sure a difference is, "" where nobody tested."""
    if difference.told == UNTESTED:
        return ""
    p = show(difference.p, "p")
    link = " from" if difference.told == NOT_TOLD_APART else " than"
    word = f"{TOLD.get(difference.told, difference.told)}{f'{link} {other}' if other else ''}"
    return f"{word}, p {p if p.startswith('<') else f'= {p}'}"


def _sample(tested: Sequence[Difference]) -> str:
    """`1,600 users and 5 seeds`."""
    users = sorted({each.users for each in tested})
    seeds = sorted({each.seeds for each in tested})
    of_users = f"{users[0]:,}" if len(users) == 1 else f"{users[0]:,} to {users[-1]:,}"
    if len(seeds) == 1:
        return f"{of_users} users and {'one seed' if seeds == [1] else f'{seeds[0]} seeds'}"
    return f"{of_users} users and {seeds[0]} to {seeds[-1]} seeds"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _interval(interval: Interval, kind: str) -> str:
    if not math.isfinite(interval.low) or not math.isfinite(interval.high):
        return ""
    low, high = (_signed(each) if kind == "metric" else _ratio(each) for each in (interval.low, interval.high))
    return f"95 % {low} to {high}"


def _ratio(value: float) -> str:
    """A ratio with two digits that count."""
    return show(value, "ratio") if value >= 0.1 or not value else f"{value:.{1 - math.floor(math.log10(value))}f}"


def _ratios(choice: Choice, reference: str) -> str:
    """What it costs of the reference's costs."""
    if not choice.ratios or choice.row == reference:
        return "all of its costs"
    whole = f"{_ratio(choice.cost_ratio)} of {reference}'s costs: " if math.isfinite(choice.cost_ratio) else ""
    return whole + _listed(_of_costs(choice.ratios, None))


def _of_costs(ratios: dict[str, float], time: Interval | None) -> list[str]:
    """`0.94 of its time an epoch (95 % 0.92 to 0.96)` and the like, a part a cost."""
    parts = []
    for cost in COSTS:
        behind = [_interval(time, "ratio")] if time and cost == "time" else []
        if cost == "time" and "time_with_cache" in ratios:
            behind.append(f"{_ratio(ratios['time_with_cache'])} with building the cache")
        text = "; ".join(filter(None, behind))
        parts.append(f"{_ratio(ratios[cost])} of its {OF_COSTS[cost]}{f' ({text})' if text else ''}")
    return parts


def _shares(savings: Sequence[Saving], reference: str) -> str:
    """`half of fft's time an epoch or memory or less`."""
    parts = []
    for share, word in SHARES.items():
        costs = [OF_COSTS[each.cost] for each in savings if each.share == share]
        if costs:
            parts.append(f"{word} of {reference}'s {_listed(costs, 'or')}")
    return f"{' and at '.join(parts)} or less"


def _listed(parts: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), "".join(parts[-1:])]))


def lowest(scores: pd.Series) -> str:
    """Which row has the lowest TPME, and what that leaves out."""
    ordered = scores.sort_values(kind="stable")
    return (
        f"Lowest TPME: {ordered.index[0]} ({show(ordered.iloc[0], 'score')}), highest: {ordered.index[-1]} "
        f"({show(ordered.iloc[-1], 'score')}), over {len(ordered)} rows. TPME leaves accuracy out."
    )
