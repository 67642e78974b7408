"""Records as a study would leave them, made without training anything."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from tpmebench.cell import BackboneChoice, Cell
from tpmebench.metrics import METRICS
from tpmebench.reports import records as schema

# method: (family, seconds an epoch, trainable parameters, peak bytes, chance that a target ranks among the first ten)
PROFILES: dict[str, tuple[schema.Family, float, int, int, float]] = {
    "popularity": ("reference", 0.0, 0, 0, 0.015),
    "random": ("reference", 0.0, 0, 0, 0.004),
    "sasrec-id": ("reference", 0.4, 210_000, 60_000_000, 0.040),
    "fft": ("full", 14.2, 1_524_000, 2_400_000_000, 0.082),
    "frozen": ("decoupled", 4.1, 92_000, 310_000_000, 0.051),
    "frozen-cached": ("decoupled", 0.5, 92_000, 70_000_000, 0.051),
    "bitfit": ("embedded", 11.3, 101_000, 1_700_000_000, 0.071),
    "adapter": ("embedded", 11.9, 190_000, 1_850_000_000, 0.079),
    "lora": ("embedded", 12.2, 112_000, 1_900_000_000, 0.078),
    "pfeiffer": ("embedded", 11.7, 141_000, 1_800_000_000, 0.078),
    "parallel": ("embedded", 11.8, 141_000, 1_810_000_000, 0.078),
    "compacter": ("embedded", 12.4, 98_000, 1_850_000_000, 0.074),
    "ssf": ("embedded", 12.9, 103_000, 2_200_000_000, 0.073),
    "vpt-shallow": ("embedded", 7.9, 93_000, 900_000_000, 0.055),
    "vpt-deep": ("embedded", 8.1, 95_000, 910_000_000, 0.059),
    "partial": ("embedded", 6.2, 420_000, 700_000_000, 0.066),
    "iisan": ("decoupled", 4.9, 240_000, 420_000_000, 0.080),
    "iisan-cached": ("decoupled", 1.1, 240_000, 150_000_000, 0.080),
    "versa": ("decoupled", 5.1, 250_000, 430_000_000, 0.080),
    "versa-cached": ("decoupled", 1.2, 250_000, 160_000_000, 0.080),
    "lst": ("decoupled", 5.6, 180_000, 520_000_000, 0.070),
    "lst-cached": ("decoupled", 2.3, 180_000, 300_000_000, 0.070),
    "hybrid": ("hybrid", 7.4, 320_000, 800_000_000, 0.081),
    "hybrid-cached": ("hybrid", 4.0, 320_000, 500_000_000, 0.081),
    "frozen-mix": ("decoupled", 4.2, 93_000, 312_000_000, 0.062),
    "frozen-mix-cached": ("decoupled", 0.6, 93_000, 74_000_000, 0.062),
    "content-knn": ("reference", 0.0, 0, 0, 0.020),
}
USERS = 800

# Times of a single example say nothing on a machine with other work; `tests/soak/mutations.py` asks for more examples.
settings.register_profile("default", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=1000)
settings.load_profile("default")


THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> None:
    """Threads that wait for each other crawl on a machine with other work; only benchmarks use all cores."""
    timed = request.path.is_relative_to(Path(__file__).parent / "perf") and request.config.getoption("benchmark_enable")
    torch.set_num_threads(THREADS if timed else 1)


def simulated_ranks(method: str, seed: int) -> np.ndarray:
    """Ranks of the test users' targets: users differ in how hard they are, and alike for every method."""
    chance = PROFILES[method][4]
    ease = np.random.default_rng(7).normal(size=USERS)
    noise = np.random.default_rng([seed, *method.encode()]).normal(size=USERS)
    order = np.argsort(np.argsort(-(ease + 0.35 * noise)))
    ranks = 1.0 + np.floor(10 * (order / (chance * USERS)) ** 1.3)
    ranks[-USERS // 20 :] = np.inf
    return ranks


def metrics(ranks: np.ndarray) -> dict[str, float]:
    """HR, NDCG and MRR as the suite stores them."""
    values: dict[str, float] = {}
    for k in (5, 10, 20):
        hit = ranks <= k
        values[f"HR@{k}"] = float(hit.mean())
        values[f"NDCG@{k}"] = float(np.where(hit, 1 / np.log2(ranks + 1), 0).mean())
    return values | {"MRR": float((1 / ranks).mean())}


def simulated_epochs(method: str, seed: int, epochs: int, peak: float) -> list[schema.Epoch]:
    rng = np.random.default_rng([seed, 1, *method.encode()])
    result = []
    for number in range(epochs):
        total = PROFILES[method][1] * (1.25 if number == 0 else 1 + 0.02 * rng.normal())
        shares = np.array([0.08, 0.34, 0.50, 0.08]) * total
        reached = peak * (1 - 0.9 * np.exp(-0.35 * (number + 1))) + 0.001 * rng.normal()
        result.append(
            schema.Epoch(
                loss=6 - 2 * (1 - np.exp(-0.3 * number)),
                total=total,
                data=shares[0],
                forward=shares[1],
                backward=shares[2],
                update=shares[3],
                steps=40,
                users=2500,
                evaluation=0.3,
                valid={name: max(reached if name == "HR@10" else reached / 2, 0.0) for name in METRICS},
            )
        )
    return result


def failed(record: schema.Record, status: schema.Status, error: str) -> schema.Record:
    nothing = {"accuracy": None, "time": schema.Time(), "parameters": None, "memory": None, "compute": None}
    return record.model_copy(update={"status": status, "error": error, **nothing})


def simulated_environment() -> schema.Environment:
    return schema.Environment(
        python="3.12.1",
        platform="Linux x86_64",
        cpu="Example CPU @ 2.5 GHz",
        cores=2,
        threads=2,
        ram=8 << 30,
        versions={"torch": "2.13.0", "transformers": "5.23.0", "tpmebench": "0.1.0"},
        commit="0123456789abcdef",
        dirty=False,
    )


def simulated_accuracy(method: str, seed: int, best_epoch: int) -> schema.Accuracy:
    """Accuracy that differs from split to split and from slice to slice, as it does in what a cell leaves behind."""
    ranks = simulated_ranks(method, seed)
    cold, missed = np.arange(USERS) % 4 == 0, np.isinf(ranks)

    def part(chosen: np.ndarray) -> schema.Slice:
        return schema.Slice(users=int(chosen.sum()), metrics=metrics(ranks[chosen]))

    return schema.Accuracy.of(
        best_epoch=best_epoch,
        valid=schema.Slice(users=USERS, metrics=metrics(simulated_ranks(method, seed + 1000))),
        test=schema.Slice(users=USERS, metrics=metrics(ranks)),
        warm=part(~cold),
        cold=part(cold),
        novel=part(~missed),
        repeat=part(missed),
    )


def training_costs(cell: Cell, epochs: int, reached: float) -> dict[str, object]:
    """Time, parameters, memory and operations of a cell that trains."""
    _, seconds, trainable, peak, _ = PROFILES[cell.method]
    cached = cell.method.endswith("-cached")
    small = {"weights": 8_000_000, "gradients": 4 * trainable, "optimiser": 8 * trainable}
    return {
        "time": schema.Time(
            epochs=simulated_epochs(cell.method, cell.seed + 100 * cell.repeat, epochs, reached),
            steps=schema.StepTimes(p50=seconds / 40, p90=seconds / 36, p99=seconds / 30),
            warmup_steps=1,
            cache_build=21.5 if cached else None,
            cache_reused=cell.seed > 0 if cached else None,
            test=0.4,
            total=seconds * epochs + 5,
        ),
        "parameters": schema.Parameters(
            trainable=trainable,
            total=1_900_000,
            parts={"text tower": (trainable // 3, 900_000), "head": (trainable - trainable // 3, 1_000_000)},
            saved_bytes=4 * trainable,
        ),
        "memory": schema.Memory(
            origin="cpu-tensors",
            training=schema.PhaseMemory(tensors=peak, rss=peak + 700_000_000),
            evaluation=schema.PhaseMemory(tensors=peak // 3, rss=peak),
            cache_build=schema.PhaseMemory(rss=800_000_000) if cached else None,
            kinds={**small, "activations": peak - sum(small.values())},
            feature_cache=7_200_000 if cached else None,
            metered_steps=3,
        ),
        "compute": schema.Compute(forward=int(seconds * 1e9), backward=int(seconds * 1.7e9), items=280, slots=704),
    }


def build_record(
    method: str = "fft", seed: int = 0, repeat: int = 0, status: schema.Status = "ok", epochs: int = 12, **cell: object
) -> schema.Record:
    """A record of a method of PROFILES; `cell` overrides fields of its cell."""
    fields: dict[str, object] = {
        "method": method,
        "dataset": "bazaar:items=2000,users=2500",
        "backbones": BackboneChoice(text="micro", image="micro"),
        "seed": seed,
        "repeat": repeat,
        "threads": 2,
        "version": "0.1.0",
    }
    whole = Cell.model_validate(fields | cell)
    family, seconds, *_ = PROFILES[method]
    accuracy = simulated_accuracy(method, seed, max(epochs - 2, 1))
    record = schema.Record(
        study="demo",
        cell=whole,
        cell_id=whole.id,
        family=family,
        summary=f"{method} as published.",
        uncached=method.removesuffix("-cached") if method.endswith("-cached") else "",
        batch=64,
        rates={"head": 1e-3, "backbone": 1e-4} if seconds else {},
        status="ok",
        started=f"2026-01-01T00:{seed:02d}:{list(PROFILES).index(method):02d}+00:00",
        environment=simulated_environment(),
        dataset={"users": 2500, "items": 2000, "interactions": 17000, "missing_images": 3},
        accuracy=accuracy,
        time=schema.Time(warmup_steps=1, test=0.4, total=5.0),
    )
    if seconds:
        record = record.model_copy(update=training_costs(whole, epochs, accuracy.test.metrics["HR@10"]))
    return record if status == "ok" else failed(record, status, "out of memory: 2.1 GiB asked for, 1.4 GiB left")


def save_ranks(directory: Path, record: schema.Record, ranks: np.ndarray) -> None:
    """Saves a cell's ranks, and makes the record's accuracy on the test users theirs."""
    assert record.accuracy is not None
    record.accuracy.test = schema.Slice(users=len(ranks), metrics=metrics(ranks))
    path = schema.ranks_path(directory, record.cell_id)
    path.parent.mkdir(exist_ok=True)
    np.save(path, ranks)


def save_study(directory: Path, records: list[schema.Record]) -> Path:
    """Saves records, and the ranks of those that ended well, as a study's directory."""
    for record in records:
        record.save(directory)
        if record.status == "ok":
            path = schema.ranks_path(directory, record.cell_id)
            path.parent.mkdir(exist_ok=True)
            np.save(path, simulated_ranks(record.cell.method, record.cell.seed))
    return directory


@pytest.fixture(scope="session")
def make_record() -> Callable[..., schema.Record]:
    """Builds a record: `make_record("lora", seed=1)`, `make_record("fft", status="oom")`."""
    return build_record


@pytest.fixture(scope="session")
def write_study() -> Callable[[Path, list[schema.Record]], Path]:
    """Writes records and ranks into a directory: `write_study(tmp_path, [make_record()])`."""
    return save_study


@pytest.fixture(scope="session")
def keep_ranks() -> Callable[[Path, schema.Record, np.ndarray], None]:
    """Saves ranks for a record: `keep_ranks(tmp_path, record, ranks)`."""
    return save_ranks


@pytest.fixture(scope="session")
def all_methods() -> list[str]:
    """Every method that `make_record` knows."""
    return list(PROFILES)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no pictures, which take most of the time that one takes."""
    monkeypatch.setattr("tpmebench.reports.pages.Section.picture", lambda *_, **__: None)
