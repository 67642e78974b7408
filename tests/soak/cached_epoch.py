"""What an epoch of `iisan-cached` takes over states of 768-wide towers, in products of 2048 × 2048 for 1,000 users.

    python tests/soak/cached_epoch.py [THREADS] [ROUNDS] [--profile]

Full and half precision, each as it is and compiled, take turns; of each the quickest epoch counts. The states are
random, the data stated. `--profile` ends with where the time of the first went, by operator.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
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
VARIANTS = {
    "fp32": {},
    "fp32, compiled": {"compile": True},
    "bf16 throughout": HALF,
    "bf16 throughout, compiled": HALF | {"compile": True},
}


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


def main(threads: int, rounds: int, profiled: bool) -> None:
    """Takes turns and prints a line a variant."""
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
    for name, units in found.items():
        print(f"{name}: {1000 * units / USERS:.1f} products for 1,000 users, {units / found['fp32']:.2f} of fp32")
    if profiled:
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            trainers["fp32"].epoch(rounds + 1)
        print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=16, max_name_column_width=40))


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    main(*(numbers + [2, 3][len(numbers) :]), profiled="--profile" in sys.argv)
