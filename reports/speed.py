"""The speed page: seconds for a thousand users, where they go, and how far they are from what the machine could do.

    python -m tpmebench.reports.speed DIR… [BENCHMARKS.json]

The floor of an epoch is its operations at the machine's rate of matrix products plus the bytes it cannot avoid at its
rate of copying, both measured in the same process: the trained parameters with their gradients and Adam's two moments
(read and written), and the frozen weights and inputs (read). Work between the products (normalisation, activations,
attention's softmax) is not in the floor.

What grows with the data and with the search stands in a file of pytest-benchmark (tests/perf/test_scale.py), each
benchmark with what was done and a floor of its own.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..files import read_json
from .analysis.epochs import mean_epoch
from .analysis.machine import machine
from .formats.markdown import escape
from .reading import load_records
from .records import Record

# Adam reads parameter, gradient and two moments, and writes parameter and moments; the gradient was written before.
_ADAM_PASSES = 8
_FLOAT = 4
_SECONDS = "s / 1,000 users"


@dataclass(frozen=True)
class Rates:
    """The best that any cell measured on a machine: operations a second of a product, bytes a second of a copy.

    0 where none was measured. A cell that something else disturbed while it measured must not get a floor of its own.
    """

    matrix: float
    copy: float

    @classmethod
    def of(cls, record: Record, records: list[Record]) -> "Rates":
        """Those of a record's machine, from all records of that machine."""
        same = [other.environment for other in records if machine(other) == machine(record)]
        return cls(max(one.matrix_rate for one in same), max(one.copy_rate for one in same))


def floor_seconds(record: Record, rates: Rates) -> float | None:
    """Seconds that an epoch would take at the machine's measured rates; None when a rate is lacking."""
    compute, parameters = record.compute, record.parameters
    items = mean_epoch(record, lambda epoch: epoch.items)
    steps = mean_epoch(record, lambda epoch: epoch.steps)
    if not (rates.matrix and rates.copy and compute and parameters and items and steps):
        return None
    operations = (compute.forward + compute.backward) * items / compute.items
    frozen = parameters.total - parameters.trainable
    moved = steps * _FLOAT * (_ADAM_PASSES * parameters.trainable + frozen)
    return operations / rates.matrix + moved / rates.copy


def speed_table(records: list[Record]) -> pd.DataFrame:
    """One row a trained cell that went well: seconds a 1,000 users, shares of the phases, ratio to the floor."""
    rows = []
    for record in records:
        total = mean_epoch(record, lambda epoch: epoch.total)
        if record.status != "ok" or not record.time.epochs:
            continue
        if not total:
            name = f"{record.cell.method} (every epoch disturbed)"
            rows.append({"method": name, "encode": record.cell.training.encode})
            continue
        users = record.time.epochs[0].users
        shares = {
            phase: (mean_epoch(record, lambda epoch, phase=phase: getattr(epoch, phase)) or 0.0) / total
            for phase in ("data", "forward", "backward", "update")
        }
        rates = Rates.of(record, records)
        floor = floor_seconds(record, rates)
        unit = 2 * 2048**3 / rates.matrix if rates.matrix else None
        rows.append(
            {
                "method": record.cell.method,
                "encode": record.cell.training.encode,
                _SECONDS: 1000 * total / users,
                "products of 2048³": f"{1000 * total / users / unit:.1f}" if unit else "–",
                **{name: f"{share:.0%}" for name, share in shares.items()},
                "ratio to floor": f"{total / floor:.2f}" if floor else "–",
            }
        )
    return pd.DataFrame(rows).sort_values(["encode", _SECONDS], ascending=[False, True], ignore_index=True)


def markdown(records: list[Record]) -> str:
    """The table in markdown, with the machine it was measured on."""
    table = speed_table(records)
    table[_SECONDS] = table[_SECONDS].map("{:.3f}".format, na_action="ignore")
    table = table.fillna("–")
    machine, rates = records[0].environment, Rates.of(records[0], records)
    commit = _commit(machine.commit or "unknown", machine.dirty, max(record.started for record in records))
    about = (
        f"{machine.cpu}, {machine.threads} threads, torch {machine.versions.get('torch', '?')}, {commit}; "
        f"float32 products at {rates.matrix / 1e9:.0f} GFLOP/s, copies at {rates.copy / 1e9:.1f} GB/s."
    )
    return "\n".join([*_lines(table), "", escape(about)])


def scale_table(benchmarks: Path) -> pd.DataFrame:
    """One row a benchmark that says what it did: its quickest round, and the floor that it is held against."""
    rows = list[dict[str, str]]()
    for entry in read_json(benchmarks)["benchmarks"]:
        about, seconds = entry["extra_info"], entry["stats"]["min"]
        if "what" not in about:
            continue
        floor = about.get("floor_seconds")
        rows.append(
            {
                "what": about["what"],
                "s": f"{seconds:.3g}",
                "floor": f"{floor:.3g} s: {about['floor']}" if floor else "–",
                "ratio to floor": f"{seconds / floor:.2f}" if floor else "–",
                "s beside the floor, a cell": f"{(seconds - floor) / about['cells']:.2f}" if "cells" in about else "–",
            }
        )
        if "between" in about:
            alone = {"what": about["between_what"], "s": f"{about['between']:.3g}"}
            rows.append({name: alone.get(name, "–") for name in rows[-1]})
    return pd.DataFrame(rows)


def scale_markdown(benchmarks: Path) -> str:
    """The table in markdown, with the machine and the commit that it was measured on."""
    content = read_json(benchmarks)
    machine, info = content["machine_info"]["cpu"], content["commit_info"]
    commit = _commit(info["id"], info.get("dirty"), content["datetime"])
    about = f"{machine['brand_raw']}, {machine['count']} cores, {commit}."
    return "\n".join([*_lines(scale_table(benchmarks)), "", escape(about)])


def kept_markdown(file: Path) -> str:
    """The table that a script of tests/soak left, with the machine and the commit that it was measured on."""
    content = read_json(file)
    about = content["about"]
    line = (
        f"{about['cpu']}, {about['threads']} thread{'s' * (about['threads'] != 1)}, torch {about['torch']}, "
        f"{_commit(about['commit'], about['dirty'], about['when'])}."
    )
    table = pd.DataFrame(content["rows"], columns=content["headings"])
    return "\n".join([*_lines(table), "", escape(line)])


def _commit(commit: str, dirty: bool | None, when: str) -> str:
    return f"commit {commit[:7]}{', changed' if dirty else ''}, {when[:10]}"


def _lines(table: pd.DataFrame) -> list[str]:
    return [
        "| " + " | ".join(map(escape, table.columns)) + " |",
        "| " + " | ".join("---" for _ in table.columns) + " |",
        *("| " + " | ".join(map(escape, row)) + " |" for row in table.to_numpy()),
    ]


def main(paths: list[Path]) -> None:
    """Prints the tables of some studies' records and of benchmarks."""
    print(markdown([record for path in paths if path.is_dir() for record in load_records(path)]))
    for path in paths:
        if not path.is_dir():
            print("", scale_markdown(path), sep="\n")


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]])
