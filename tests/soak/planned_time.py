"""Planned epochs beside measured ones: within 30 % for every method, and in the same order where runs agree on one.

    taskset -c 0 python tests/soak/planned_time.py [METHODS] [--keep]

`bench run --costs` before, `bench plan --calibrate`, `bench run --costs` after, one thread each, on bazaar + micro and,
without measuring operators anew, every third method at half the batch: then most operators are interpolated. `--keep`
adds what was found, good or bad, to bench/planning/comparisons.json, from which the error of planned times comes. Ends
with status 1 when a method is off.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from tpmebench.bench.meters.environment import load_average
from tpmebench.bench.planning.calibration import Machine
from tpmebench.bench.planning.comparisons import FILE, Comparison, shipped
from tpmebench.files import canonical_json, write_atomic
from tpmebench.reports.analysis.epochs import mean_epoch
from tpmebench.reports.reading import load_records

METHODS = "fft,adapter,lora,bitfit,frozen,iisan,iisan-cached"
WITHIN = 0.3
SECONDS = 3
BATCH = 32


def bench(command: str, out: Path, *more: str) -> None:
    """A command over the demo, with one thread."""
    program = str(Path(sys.executable).with_name("bench"))
    print(f"{command} {' '.join(more)}: load {load_average():.1f}", flush=True)
    shown = subprocess.DEVNULL
    arguments = [program, command, "demo", *more, "--set", "threads=1", "--out", str(out)]
    subprocess.run(arguments, check=True, stdout=shown)


def measured(out: Path, methods: str, batch: int) -> dict[str, float | None]:
    """T of each method, disturbed or not: load is said beside it."""
    settings = [f"training.batch={batch}", f"costs_seconds={SECONDS}", "references=false"]
    sets = [part for setting in settings for part in ("--set", setting)]
    bench("run", out, "--methods", methods, "--costs", "--seeds", "1", *sets)
    return {each.cell.method: mean_epoch(each, lambda epoch: epoch.total, True) for each in load_records(out)}


def planned(out: Path, methods: str, batch: int, *more: str) -> dict[str, tuple[float, float]]:
    """Planned seconds, and the share of them that is of operators measured themselves."""
    bench("plan", out, "--methods", methods, "--batch", str(batch), *more)
    plans = {each.cell.method: each.plan for each in load_records(out)}
    return {
        name: (plan.seconds, plan.seconds_measured)
        for name, plan in plans.items()
        if plan is not None and plan.seconds is not None and plan.seconds_measured is not None
    }


def compare(scratch: Path, methods: str, batch: int, *more: str) -> list[tuple[Comparison, float]]:
    """Comparisons with the mean of what was measured before and after, and by how much those two differ."""
    load = load_average()
    before = measured(scratch / f"before-{batch}", methods, batch)
    plan = planned(scratch / f"plan-{batch}", methods, batch, *more)
    after = measured(scratch / f"after-{batch}", methods, batch)
    found = list[tuple[Comparison, float]]()
    machine = Machine.here().model_copy(update={"threads": 1})
    for name, (seconds, share) in plan.items():
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            print(f"{name}: no T")
            continue
        comparison = Comparison(
            method=name,
            dataset="bazaar",
            backbones="micro",
            batch=batch,
            planned=round(seconds, 4),
            measured=round((one + other) / 2, 4),
            share=round(share, 3),
            machine=machine,
            load=round(load, 1),
            when=datetime.now(UTC).isoformat(timespec="minutes"),
        )
        found.append((comparison, max(one / other, other / one) - 1))
    return found


def misplaced(found: Mapping[str, tuple[Comparison, float]]) -> list[str]:
    """Pairs of methods that the plan has in another order, though measured times differ by more than runs of one."""
    wrong = list[str]()
    for (one, (a, spread)), (other, (b, other_spread)) in combinations(found.items(), 2):
        told_apart = max(a.measured / b.measured, b.measured / a.measured) - 1 > max(spread, other_spread)
        if told_apart and (a.measured < b.measured) != (a.planned < b.planned):
            wrong.append(f"{one}, {other}")
    return wrong


def main(methods: str, keep: bool) -> int:
    """The table; 1 when a method is off or out of order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        own = compare(scratch, methods, BATCH, "--calibrate")
        alike = compare(scratch, ",".join(methods.split(",")[::3]), BATCH // 2)
    print("method         batch  planned  measured  before-after   error  own operators")
    for one, spread in [*own, *alike]:
        off = one.planned / one.measured - 1
        times = f"{one.planned:8.3f} {one.measured:9.3f} {spread:13.0%}"
        print(f"{one.method:14} {one.batch:5} {times} {off:+7.1%} {one.share:8.0%}")
    wrong = [pair for group in (own, alike) for pair in misplaced({each[0].method: each for each in group})]
    print(f"out of order: {'; '.join(wrong) or 'none'}")
    if keep:
        rows = ",\n ".join(
            canonical_json(one.model_dump()) for one in [*shipped(), *(one for one, _ in [*own, *alike])]
        )
        write_atomic(FILE, f"[\n {rows}\n]\n")
    return int(bool(wrong) or any(one.error > WITHIN for one, _ in own))


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--keep"]
    raise SystemExit(main(given[0] if given else METHODS, "--keep" in sys.argv))
