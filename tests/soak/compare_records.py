"""Whether two runs of one study left the same records: before and after a change that should alter no result.

python tests/soak/compare_records.py BEFORE AFTER

Both are studies' directories; records of an older schema are read as today's. All that is not measured anew in each
run must be equal to the bit, and so must the ranks. A field that only one version of the suite writes is no difference.
Prints a line a difference; status 1 when there are some or a cell stands on one side only.
"""

import sys
from pathlib import Path

import numpy as np

from tpmebench.bench.guard.pairing import same, settings
from tpmebench.bench.guard.repetition import differences
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Record, ranks_path


def compare(before: Path, after: Path) -> list[str]:
    """The differences of two studies' directories, each with its cell's name."""
    lines, left = [], load_records(after)
    for record in load_records(before):
        name = f"{record.cell.method} on {record.cell.dataset}, seed {record.cell.seed}, repeat {record.cell.repeat}"
        twin = next((other for other in left if _is_same_cell(record, other)), None)
        if twin is None:
            lines.append(f"{name}: only in {before}")
            continue
        left.remove(twin)
        lines += [f"{name}: {line}" for line in differences(record, twin)]
        if not _same_ranks(ranks_path(before, record.cell_id), ranks_path(after, twin.cell_id)):
            lines.append(f"{name}: other ranks")
    return lines + [f"{record.cell.method}, seed {record.cell.seed}: only in {after}" for record in left]


def _is_same_cell(one: Record, other: Record) -> bool:
    runs = [(record.cell.seed, record.cell.repeat) for record in (one, other)]
    return runs[0] == runs[1] and same(settings(one.cell), settings(other.cell))


def _same_ranks(before: Path, after: Path) -> bool:
    if not (before.exists() and after.exists()):
        return before.exists() == after.exists()
    return np.array_equal(np.load(before, allow_pickle=False), np.load(after, allow_pickle=False))


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    before, after = map(Path, sys.argv[1:])
    lines = compare(before, after)
    print("\n".join(lines) or f"all {len(load_records(before))} records are equal, but for ids, times and machine")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
