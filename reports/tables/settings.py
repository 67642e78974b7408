"""What a comparison ran with: all settings, where they differ and what may have disturbed the numbers."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from ...naming import written_settings
from ...patience import in_words
from ..analysis.comparison import Comparison, shared
from ..analysis.data_facts import data_warnings
from ..analysis.epochs import alone
from ..analysis.machine import machine_words
from ..quantities import quantity
from ..records import Record
from .table import Column, Table


def settings_table(comparison: Comparison) -> Table:
    """Every setting and its value, one a row; a setting that differs between methods says for which."""
    rows = {name: value for name, value in comparison.conditions.items() if value and value != "None"}
    rows |= {
        "epochs, at most": by_method(comparison, lambda record: length(record, record.cell.training.epochs)),
        "patience": by_method(comparison, lambda record: length(record, in_words(record.cell.training.patience))),
        "batch, in effect": by_method(comparison, lambda record: record.batch or None),
        "planned peak": by_method(comparison, planned_peak),
        "warm-up steps, untimed": by_method(comparison, lambda record: record.time.warmup_steps or None),
        "learning rates": by_method(comparison, lambda record: rates(record) or None),
        "rates": tuning(comparison),
        "options": by_method(comparison, lambda record: options(record) or None),
        "seeds": ", ".join(str(seed) for seed in sorted(set(comparison.cells["seed"]))),
        "repeats": str(int(comparison.cells["repeat"].max()) + 1),
        "studies": ", ".join(shared(comparison, lambda record: record.study)),
    }
    rows |= {f"{name} tower": tower(comparison, name) for name in ("text", "image")}
    rows |= {f"dataset: {name}": value for name, value in facts(comparison, lambda record: record.dataset).items()}
    ram = [value for value in shared(comparison, lambda record: record.environment.ram) if value]
    rows["memory of the machine"] = ", ".join(quantity(value, "bytes") for value in ram)
    for name in ("platform", "driver", "python"):
        rows[name] = joined(shared(comparison, lambda record, name=name: getattr(record.environment, name)))
    rows |= facts(comparison, lambda record: record.environment.versions)
    rows["commit"] = joined(shared(comparison, commit))
    rows["record schema"] = joined(shared(comparison, lambda record: record.schema_version))
    frame = pd.DataFrame({"value": {name: str(value) for name, value in rows.items() if value not in (None, "")}})
    return Table("settings", "Settings", frame, (Column("value", "value"),), index="setting")


def length(record: Record, value: Any) -> Any:
    """A setting of how long training goes on, which a cell of costs alone has not."""
    return None if record.cell.costs else value


def epochs_allowed(record: Record) -> int | None:
    """Of a method; of a reference row or a cell of costs alone it is no matter."""
    return None if record.family == "reference" else length(record, record.cell.training.epochs)


def joined(values: list[Any]) -> str:
    """Distinct values in one line, without those that were not recorded."""
    return ", ".join(str(value) for value in values if value not in (None, ""))


def commit(record: Record) -> str | None:
    """The code's commit, marked when the working tree had changes."""
    environment = record.environment
    if environment.commit is None:
        return None
    return environment.commit[:12] + (" with uncommitted changes" if environment.dirty else "")


def options(record: Record) -> str:
    """A method's options as they are given on the command line."""
    return ", ".join(f"{key}={value}" for key, value in sorted(record.cell.options.items()))


def rates(record: Record) -> str:
    """A method's learning rates by group of parameters."""
    return ", ".join(f"{name} {rate:g}" for name, rate in record.rates.items())


def tuning(comparison: Comparison) -> str:
    """Whether the learning rates were tuned or are the methods' own."""
    scale = next(iter(shared(comparison, lambda record: record.cell.training.learning_rate_scale)))
    own = by_method(comparison, lambda record: written_settings(record.cell.rates) or None)
    text = f"the methods' defaults times {scale:g}" if scale != 1 else "the methods' defaults"
    if not own:
        return text if scale != 1 else f"{text}, not tuned for this dataset"
    return f"{text}, but for {own}"


def tower(comparison: Comparison, modality: Any) -> str:
    """What a tower was seen to be and how it was read."""

    def words(record: Record) -> str | None:
        found = record.towers.get(modality)
        if found is None:
            return None
        width = "–".join(str(each) for each in dict.fromkeys((min(found.widths), max(found.widths))))
        read = f"{found.pooling}, levels below at {found.place}" if found.pooling == "pooler" else found.pooling
        side = f", pictures of {found.side} pixels ({found.side_from})" if found.side else ""
        attention = f", {found.attention} attention" if found.attention else ""
        return f"{found.model}, {len(found.widths) - 1} layers of {width}, pooling {read}{attention}{side}"

    return by_method(comparison, words)


def by_method(comparison: Comparison, fact: Callable[[Record], Any]) -> str:
    """A fact that may differ between methods: its value, or each value with the methods it holds for.

    None is no value; a value that holds for every method but reference rows needs no names.
    """
    holders: dict[str, list[str]] = {}
    for result in comparison.results:
        value = fact(result.record)
        label = comparison.labels[result.record.cell_id]
        if value is not None and label not in holders.setdefault(str(value), []):
            holders[str(value)].append(label)
    trained = {label for label, family in comparison.methods["family"].items() if family != "reference"}
    if len(holders) <= 1 and trained <= {label for labels in holders.values() for label in labels}:
        return "".join(holders)
    return "; ".join(f"{', '.join(labels)}: {value}" for value, labels in holders.items())


def facts(comparison: Comparison, mapping: Callable[[Record], dict[str, Any]]) -> dict[str, str]:
    """A mapping's values over all cells, by key."""
    values: dict[str, list[Any]] = {}
    for result in comparison.results:
        for key, value in mapping(result.record).items():
            if value not in values.setdefault(key, []):
                values[key].append(value)
    return {key: ", ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in found) for key, found in values.items()}


def warnings(comparison: Comparison) -> list[str]:
    """What a reader must know before trusting the numbers, one line each."""
    lines = []
    busy: dict[str, set[str]] = {}
    for result in comparison.results:
        for line in [*result.record.environment.warnings, *result.record.warnings]:
            busy.setdefault(line, set()).add(comparison.labels[result.record.cell_id])
        for line in data_warnings(result.record.dataset):
            busy.setdefault(f"{result.record.cell.dataset}: {line}", set()).add(
                comparison.labels[result.record.cell_id]
            )
    lines += [f"{line} ({', '.join(sorted(labels))})" for line, labels in busy.items()]
    added = {
        comparison.labels[result.record.cell_id]: result.record.additions
        for result in comparison.results
        if result.record.additions
    }
    lines += [f"{label} adds to a training step: {', '.join(names)}." for label, names in added.items()]
    epochs = by_method(comparison, epochs_allowed)
    if ";" in epochs:
        lines.append(f"Epochs allowed differ, so accuracies are not on a par: {epochs}.")
    if len([c for c in shared(comparison, commit) if c]) > 1:
        lines.append("The cells were run by different versions of the code; see the settings.")
    lines += mixed_code(comparison)
    if any(
        len(value.split(", ")) > 1 for value in facts(comparison, lambda record: record.environment.versions).values()
    ):
        lines.append("The cells were run with different versions of libraries; see the settings.")
    if any(result.record.environment.dirty for result in comparison.results):
        lines.append("Some cells were run from a checkout with uncommitted changes.")
    versions = shared(comparison, lambda record: record.schema_version)
    if len(versions) > 1:
        lines.append(f"Records of schema versions {joined(versions)} are mixed.")
    if comparison.memory:
        lines.append(equal_memory(comparison))
    elif len(set(comparison.cells["batch"].dropna())) > 1:
        lines.append("Batch sizes differ between methods; see the settings.")
    lines += [*own_attention(comparison), *ran_beside(comparison), *other_builds(comparison)]
    if any(result.record.plan for result in comparison.results):
        lines.append("Planned, not run: costs were computed from the modules and steps; there are no times.")
    if comparison.random_towers:
        lines.append("The towers' weights are random: costs are those of pretrained ones, accuracies say nothing.")
    return lines


def planned_peak(record: Record) -> str | None:
    """The peak that a batch was chosen by, where one was."""
    return None if record.planned_peak is None else quantity(record.planned_peak, "bytes")


def equal_memory(comparison: Comparison) -> str:
    """What is equal where batches are not, and by which rule rates follow them."""
    usual = comparison.conditions["rates are of batch"]
    return (
        f"Equal memory, not equal batches: each method takes the largest batch whose planned peak fits in "
        f"{comparison.memory}, and its rates, which are of batch {usual}, times the square root of how many times "
        "larger its batch is; see the settings. Nothing here compares with rows of equal batches."
    )


def mixed_code(comparison: Comparison) -> list[str]:
    """A line for the rows that are means over cells of different code, as the digests in their records tell it."""
    lines = []
    for part, words in (("method", "the method"), ("training", "training and evaluation")):
        found: dict[str, set[str]] = {}
        for record in (result.record for result in comparison.results if result.record.status == "ok"):
            found.setdefault(comparison.labels[record.cell_id], set()).add(getattr(record.code, part))
        if rows := [label for label, digests in found.items() if len(digests - {""}) > 1]:
            lines.append(f"The code of {words} changed between the cells of a row: {', '.join(rows)}.")
    return lines


def ran_beside(comparison: Comparison) -> list[str]:
    """A line for the rows whose costs are of cells that had others beside them."""
    rows = []
    for label in map(str, comparison.methods.index):
        trained = [result.record for result in comparison.costs_of(label) if result.record.time.epochs]
        if together := sum(not alone(record) for record in trained):
            rows.append(label if together == len(trained) else f"{label} (in {together} of {len(trained)} cells)")
    count = "count all the same" if comparison.disturbed else "do not count (`bench report --disturbed` counts them)"
    return [f"Run beside other cells (`--jobs`), so that times and energy {count}: {', '.join(rows)}."] if rows else []


def other_builds(comparison: Comparison) -> list[str]:
    """A line for the rows whose feature cache was built in another way than they were run: it is built once for all."""

    def elsewhere(record: Record) -> bool:
        where = record.time.cache_machine
        return bool(record.time.cache_beside) or where not in ("", machine_words(record))

    rows = [
        label
        for label in map(str, comparison.methods.index)
        if any(alone(result.record) and elsewhere(result.record) for result in comparison.costs_of(label))
    ]
    if not rows:
        return []
    return [
        "The feature cache was built beside other cells (`--jobs`), with other threads or on another machine, so that "
        f"its seconds and energy are not of this one: {', '.join(rows)}."
    ]


def own_attention(comparison: Comparison) -> list[str]:
    """A line for each tower that runs slower code than torch's kernel, for want of a family's support."""
    found: dict[str, None] = {}
    for result in comparison.results:
        for tower in result.record.towers.values():
            if tower.attention == "eager":
                found[tower.model] = None
    return [
        f"{model} has its own attention code (eager), not torch's fused kernel: its times and memory do not "
        "compare with those of towers that have that."
        for model in found
    ]
