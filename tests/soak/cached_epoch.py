"""What an epoch of `iisan-cached` takes over states of 768-wide towers, in products of 2048 × 2048 for 1,000 users.

    python tests/soak/cached_epoch.py [THREADS] [ROUNDS] [FILE]

Full and half precision, as they are, compiled, and over a cache that is converted at every step, take turns; of each
the quickest epoch counts. The states are random, the data stated. The first's operators follow, those that take a
hundredth of its epoch or more; what is left is Python and the rest. FILE keeps it all for the speed page
(`reports/published/speed/cached-epoch.json`).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from kept import keep
from torch.profiler import ProfilerActivity, profile

from tpmebench.bench.planning.fake import Stock
from tpmebench.bench.tasks.registry import find_task
from tpmebench.bench.worker.build import TrainedCell, build_modules
from tpmebench.bench.worker.places import Places
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.methods.features.cache import Built, FeatureCache
from tpmebench.methods.features.content import CachedContent
from tpmebench.methods.inputs import States
from tpmebench.methods.registry import make_method

USERS, BATCH, SIDE = 2000, 64, 2048
DATA = f"stated:users={USERS},items=20000,length=12"
HALF = {"precision": "bf16", "cache_dtype": "bfloat16"}
WHOLE = "float32 over a float16 cache"
VARIANTS = {
    WHOLE: {},
    "the same, training.compile": {"compile": True},
    "bf16 over a float16 cache, which every step converts": {"precision": "bf16"},
    "bf16 over a bfloat16 cache": HALF,
    "bf16 over a bfloat16 cache, training.compile": HALF | {"compile": True},
}
LEAST = 0.01
HEADINGS = ("epoch of iisan-cached, states 768 wide", "products of 2048³ for 1,000 users", "of float32")


def trainer_of(stock: Stock, fields: dict[str, object]) -> Trainer:
    """Of a cell whose cache holds random states."""
    cell = Cell(
        method="iisan-cached",
        dataset=DATA,
        backbones=BackboneChoice(text="bert-base", image="vit-base", weights="random"),
        training=Training.model_validate({"batch": BATCH, **fields}),
    )
    places = Places.of(cell)
    method, task = make_method("iisan-cached"), find_task(places.task)(cell)
    assert method.kind == "method"
    materials = stock._materials(cell, places)
    backbones, dataset = stock._backbones(materials), materials.dataset
    recommender, unused = build_modules(cell, method, task, backbones, dataset)
    caches, dtype = dict[str, FeatureCache](), getattr(torch, cell.training.cache_dtype)
    for name, how in method.reads(backbones).items():
        assert isinstance(how, States)
        shared, width = name == "image", backbones.shapes[name].width(0)
        states = torch.randn(dataset.catalogue.size + 1, len(how.levels) - shared, width).to(dtype)
        first = torch.randn(width).to(dtype) if shared else None
        caches[name] = FeatureCache(Path(), states, first, Built(seconds=0))
    parts = TrainedCell(
        cell=cell,
        task=task,
        dataset=dataset,
        method=method,
        device=torch.device("cpu"),
        backbones=backbones,
        sources={},
        content=CachedContent(dataset.catalogue.size, caches),
        cache=None,
        recommender=recommender,
        unused=unused,
        batches=task.batches(dataset, BATCH, cell.seed),
        batch=BATCH,
    )
    return Trainer(parts)


def quickest(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def operators(run: Callable[[], object]) -> dict[str, float]:
    """Which share of the time each operator takes by itself, of those that take enough of it."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
    shares = {each.key: each.self_cpu_time_total / 1e6 / seconds for each in seen.key_averages()}
    return {name: share for name, share in sorted(shares.items(), key=lambda one: -one[1]) if share >= LEAST}


def main(threads: int, rounds: int, file: Path | None) -> None:
    """Takes turns and prints a line a variant, then one an operator."""
    torch.set_num_threads(threads)
    stock, square = Stock(), torch.randn(SIDE, SIDE)
    trainers = {name: trainer_of(stock, fields) for name, fields in VARIANTS.items()}
    for trainer in trainers.values():
        trainer.warm_up()
        trainer.epoch(0)
    found = {name: float("inf") for name in trainers}
    for number in range(1, rounds + 1):
        for name, trainer in trainers.items():
            unit = quickest(lambda: square @ square, 3)
            seconds = quickest(lambda trainer=trainer, number=number: trainer.epoch(number), 1)
            found[name] = min(found[name], seconds / unit)
    rows = [
        (name, f"{1000 * units / USERS:.1f}", f"{units / found[WHOLE]:.2f}" if name != WHOLE else "1")
        for name, units in found.items()
    ]
    shares = operators(lambda: trainers[WHOLE].epoch(rounds + 1))
    rows += [(f"of float32, {name}", "–", f"{share:.0%}") for name, share in shares.items()]
    print("\n".join("  ".join(row) for row in rows))
    if file:
        keep(file, HEADINGS, rows)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    files = [Path(each) for each in sys.argv[1:] if not each.isdecimal()]
    main(*(numbers + [2, 3][len(numbers) :]), file=files[0] if files else None)
