"""A run beside a baseline: which of their cases are the same experiment, and the baseline that both make."""

from collections.abc import Sequence

from .baseline import Baseline, Case
from .pairing import Settings, names, pair_up, same


def renew(run: Baseline, known: Baseline) -> tuple[Baseline, list[str]]:
    """`known` with a new run in it, and what was dropped, in words.

    Tolerances, reference and other devices' cases stay. So do other machines' times, but for cases that cost something
    else now: those times are of what the method used to be.
    """
    cases = [case.model_copy(update={"settings": run.full(case)}) for case in run.cases]
    dropped: dict[str, list[str]] = {}
    for old in known.cases:
        wanted = known.full(old)
        case = next((new for new in cases if belongs(wanted, old, new.settings, new)), None)
        if case is None:
            if is_elsewhere(wanted, old, run):
                cases.append(old.model_copy(update={"settings": wanted}))
            continue
        for machine in old.times.keys() - run.machines.keys():
            if old.exact == case.exact:
                case.times = case.times | {machine: old.times[machine]}
            else:
                dropped.setdefault(machine, []).append(case.name)
    used = {machine for case in cases for machine in case.times}
    machines = {name: about for name, about in known.machines.items() if name in used and name not in run.machines}
    whole = gather(cases).model_copy(
        update={
            "source": run.source,
            "reference": known.reference,
            "tolerances": known.tolerances,
            "machines": machines | run.machines,
        }
    )
    words = [
        f"times of {', '.join(methods)} on {machine} were dropped: they cost something else now; run it there again"
        for machine, methods in sorted(dropped.items())
    ]
    return whole, words


def gather(cases: Sequence[Case]) -> Baseline:
    """A baseline of cases with all their settings: what they share is said once, and each is named by the rest."""
    everything = [case.settings for case in cases]
    shared = {
        name: value
        for name, value in everything[0].items()
        if name != "method" and all(name in other and other[name] == value for other in everything)
    }
    titles = names(everything) if all(everything) else [case.name for case in cases]
    named = [
        case.model_copy(
            update={"name": title, "settings": {key: v for key, v in case.settings.items() if key not in shared}}
        )
        for title, case in zip(titles, cases, strict=True)
    ]
    return Baseline.model_construct(source="", reference="fft", settings=shared, cases=named)


def pairs(known: Baseline, run: Baseline) -> list[tuple[Case, Case | None]]:
    """Each case of the baseline that this run should hold, and its case in the run: the same or the nearest one."""
    if known.of_benchmarks:  # these go by name
        return [(case, next((new for new in run.cases if new.name == case.name), None)) for case in known.cases]
    old = [case for case in known.cases if not is_elsewhere(known.full(case), case, run)]
    found = dict(pair_up([known.full(case) for case in old], [run.full(case) for case in run.cases]))
    return [(case, run.cases[found[number]] if number in found else None) for number, case in enumerate(old)]


def belongs(first: Settings, case: Case, second: Settings, other: Case) -> bool:
    """Whether two cases are the same experiment; benchmarks go by their name."""
    return same(first, second) if first or second else case.name == other.name


def is_elsewhere(settings: Settings, case: Case, run: Baseline) -> bool:
    """Whether a case was measured on a kind of device that this run does not use. What trains nothing has none."""
    devices = {run.full(other).get("device") for other in run.cases if other.exact}
    return bool(case.exact and settings and devices and settings.get("device") not in devices)
