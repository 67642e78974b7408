"""`bench compare` on made-up studies: which cells match, what counts as a change, what is noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tpmebench.bench.guard.compare import compare, match, run_compare
from tpmebench.bench.guard.findings import Finding
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.metrics import RANKING, means
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import (
    Accuracy,
    Environment,
    Epoch,
    Memory,
    Parameters,
    PhaseMemory,
    Record,
    Slice,
    Time,
    ranks_path,
)

USERS = 400


def ranks(seed: int) -> np.ndarray:
    """About a fifth of the users find their target among the first ten."""
    return np.random.default_rng(seed).integers(1, 51, USERS).astype(float)


def record(
    method: str = "lora", seed: int = 0, totals: tuple[float, ...] = (9, 2.0, 2.02, 1.98, 2.01), **cell: Any
) -> Record:
    settings = {"dataset": "bazaar", "backbones": BackboneChoice(text="micro", image=None), "version": "1"} | cell
    made = Cell(method=method, seed=seed, **settings)
    epochs = [Epoch(loss=1, total=t, data=0, forward=t, backward=0, update=0, steps=9, users=90) for t in totals]
    return Record(
        study="a study",
        cell=made,
        cell_id=made.id,
        family="embedded",
        status="ok",
        started=f"2026-01-01T00:00:{seed:02d}",
        environment=Environment(cpu="A processor", cores=2, threads=2),
        time=Time(epochs=epochs),
        parameters=Parameters(trainable=100, total=1000),
        memory=Memory(origin="cpu-tensors", training=PhaseMemory(tensors=5000)),
    )


def write(folder: Path, *records: Record, ranks_of: np.ndarray | None = None) -> Path:
    """A study's directory; with ranks, accuracy follows from them."""
    for one in records:
        if ranks_of is not None:
            whole = means(RANKING, ranks_of)
            test, none = Slice(users=len(ranks_of), metrics=whole), Slice(users=0, metrics={})
            one.accuracy = Accuracy.of(
                best_epoch=1, valid=test, test=test, warm=none, cold=none, novel=none, repeat=none
            )
            path = ranks_path(folder, one.cell_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, ranks_of)
        one.save(folder)
    return folder


def changes(first: Path, second: Path) -> dict[str, Finding]:
    return {f.number: f for f in compare(first, second) if f.verdict not in ("same", "noise")}


def test_a_study_does_not_differ_from_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", record("fft"), record("lora"), ranks_of=ranks(0))
    found = compare(folder, folder)
    assert {f.verdict for f in found} == {"same", "noise"}
    assert len(found) == 2 * 6  # parameters, saved bytes, memory, time, two metrics


def test_versions_fingerprints_and_threads_do_not_keep_cells_apart(tmp_path: Path) -> None:
    towers = BackboneChoice(text="micro", image=None, fingerprint="f")
    other = record(version="2", threads=8, dataset_fingerprint="x", backbones=towers, device="cpu:0", timeout=9.0)
    found = compare(write(tmp_path / "a", record()), write(tmp_path / "b", other))
    assert {f.verdict for f in found} == {"same", "noise"}


def test_exact_numbers_count_whenever_they_change(tmp_path: Path) -> None:
    other = record()
    assert other.parameters and other.memory and other.memory.training
    other.parameters.trainable, other.memory.training.tensors = 101, 4999
    found = changes(write(tmp_path / "a", record()), write(tmp_path / "b", other))
    assert {name: f.verdict for name, f in found.items()} == {
        "trainable parameters": "worse",
        "training memory": "better",
    }
    assert found["trainable parameters"].texts()[2:5] == ("100", "101", "+1.0%")


def test_of_several_seeds_a_rise_outweighs_a_larger_fall(tmp_path: Path) -> None:
    now = [record(seed=seed) for seed in range(3)]
    for each, trainable in zip(now, (99, 101, 50), strict=True):
        assert each.parameters
        each.parameters.trainable = trainable
    before = write(tmp_path / "a", *[record(seed=seed) for seed in range(3)])
    found = changes(before, write(tmp_path / "b", *now))["trainable parameters"]
    assert (found.verdict, found.before, found.now) == ("worse", 100, 101)


@pytest.mark.parametrize(
    ("totals", "verdict"),
    [
        ((9, 2.05, 1.96, 2.04, 2.0), "noise"),
        ((9, 2.1, 1.99, 2.14, 2.05), "noise"),  # slower, but not surely by more than 5 %
        ((9, 2.06, 2.09, 2.05, 2.08), "noise"),  # surely slower, but by less than two runs of the same thing differ
        ((9, 2.4, 2.41, 2.39, 2.42), "worse"),
        ((9, 1.4, 1.41, 1.39, 1.42), "better"),
        ((9, 2.4, 2.41), "not judged"),
        ((2.0,), "not judged"),
        ((2.0, 2.0, 2.0, 2.0), "noise"),
    ],
)
def test_a_time_counts_beyond_its_interval(tmp_path: Path, totals: tuple[float, ...], verdict: str) -> None:
    first = record(totals=(2.0,)) if len(totals) == 1 else record()
    found = compare(write(tmp_path / "a", first), write(tmp_path / "b", record(totals=totals)))
    assert [f.verdict for f in found if f.number == "epoch"] == [verdict]


def test_of_a_cell_that_stands_twice_the_newest_is_compared(tmp_path: Path) -> None:
    """As when a study ran twice into one directory, with other threads."""
    older = record(threads=1, totals=(9, 4.0, 4.02, 3.98, 4.01))
    newer = record(threads=2).model_copy(update={"started": "2026-01-02T00:00:00"})
    older.parameters = Parameters(trainable=50, total=500)
    both, alone = write(tmp_path / "a", older, newer), write(tmp_path / "b", newer)
    assert changes(both, alone) == changes(alone, both) == {}


def test_times_of_two_machines_are_not_judged(tmp_path: Path) -> None:
    other = record(totals=(9, 4.0, 4.0, 4.0))
    other.environment.threads = 1
    found = changes(write(tmp_path / "a", record()), write(tmp_path / "b", other))
    assert found["epoch"].verdict == "not judged"
    assert "different machines" in found["epoch"].why


def test_times_of_a_busy_machine_are_not_judged(tmp_path: Path) -> None:
    other = record(totals=(9, 4.0, 4.0, 4.0))
    other.environment.warnings = ["the machine was busy"]
    found = changes(write(tmp_path / "a", record()), write(tmp_path / "b", other))
    assert (found["epoch"].verdict, found["epoch"].why) == ("not judged", "the machine was busy")


def test_accuracy_is_paired_over_users(tmp_path: Path) -> None:
    base = ranks(0)
    slightly, clearly = base.copy(), base.copy()
    slightly[np.flatnonzero(base <= 10)[:2]] = 40
    clearly[np.flatnonzero(base <= 10)[:20]] = 40
    first = write(tmp_path / "a", record(), ranks_of=base)
    assert changes(first, write(tmp_path / "b", record(), ranks_of=slightly)) == {}
    found = changes(first, write(tmp_path / "c", record(), ranks_of=clearly))
    assert {name: f.verdict for name, f in found.items()} == {"HR@10": "worse", "NDCG@10": "worse"}
    assert found["HR@10"].now == pytest.approx((base <= 10).mean() - 20 / USERS)
    # The same change, had it met other users, would be lost among them: unpaired shares vary by 0.03.
    assert abs(found["HR@10"].now - found["HR@10"].before) < 2 * (2 * 0.2 * 0.8 / USERS) ** 0.5  # type: ignore[operator]


def test_other_users_or_lost_ranks_are_not_judged(tmp_path: Path) -> None:
    first = write(tmp_path / "a", record(), ranks_of=ranks(0))
    found = changes(first, write(tmp_path / "b", record(), ranks_of=ranks(1)[:300]))
    assert {f.verdict for f in found.values()} == {"not judged"}
    lost = write(tmp_path / "c", record(), ranks_of=ranks(1))
    ranks_path(lost, record().cell_id).unlink()
    assert {f.verdict for f in changes(first, lost).values()} == {"not judged"}


def test_data_that_changed_within_a_study_are_paired_with_the_same_data(tmp_path: Path):
    """And where each study has one version, the two go together by their name."""
    old, new = record(dataset_fingerprint="a" * 64), record(dataset_fingerprint="b" * 64)
    both, after = write(tmp_path / "both", old, new), write(tmp_path / "after", new)
    for first, second in ((both, after), (after, both)):
        (matched,), left, right = match(load_records(first), load_records(second))
        assert {one.cell.dataset_fingerprint[0] for pair in matched.pairs for one in pair} == {"b"}
        assert [*left, *right] == ["lora (dataset=bazaar (aaaaaaaa))"]
    (matched,), *_ = match(load_records(write(tmp_path / "before", old)), load_records(after))
    assert len(matched.pairs) == 1


def test_seeds_are_averaged_before_users_are_drawn(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for seed in range(3):
        write(a, record(seed=seed), ranks_of=ranks(seed))
        write(b, record(seed=seed), ranks_of=ranks(seed + 10))
    assert changes(a, b) == {}
    (matched,), _, _ = match(load_records(a), load_records(b))
    assert [one.cell.seed for one, _ in matched.pairs] == [0, 1, 2]


def test_changed_settings_are_matched_and_named(tmp_path: Path) -> None:
    first = write(tmp_path / "a", record("fft"), record("lora"))
    half = Training(precision="bf16")
    second = write(tmp_path / "b", record("fft", training=half), record("lora", training=half))
    found = {(f.case, f.number, f.why) for f in compare(first, second) if f.verdict not in ("same", "noise")}
    assert found == {
        (f"{method} (precision=fp32)", "settings", "training.precision fp32 → bf16") for method in ("fft", "lora")
    }


def test_what_cannot_be_matched_is_listed(tmp_path: Path) -> None:
    first = write(tmp_path / "a", record("fft"), *(record("lora", options={"r": r}) for r in (4, 8)))
    second = write(
        tmp_path / "b", record("bitfit"), record("lora", options={"r": 8}), record("lora", options={"r": 16})
    )
    found = {f.case: (f.verdict, f.why) for f in compare(first, second) if f.number in ("cell", "settings")}
    assert found == {
        "fft": ("missing", f"only in {first}"),
        "bitfit": ("new", f"only in {second}"),
        "lora (r=4)": ("changed", "options.r 4 → 16"),
    }


def test_a_cell_that_failed_or_recovered(tmp_path: Path) -> None:
    failed = record()
    failed.status, failed.error = "oom", "out of memory"
    good, bad = write(tmp_path / "a", record()), write(tmp_path / "b", failed)
    assert [(f.verdict, f.why) for f in compare(good, bad)] == [("failed", "seed 0: ok → oom")]
    assert [(f.verdict, f.why) for f in compare(bad, good)] == [("better", "seed 0: oom → ok")]
    assert compare(bad, bad) == []


def test_what_failed_is_told_to_a_build_only_when_asked(tmp_path: Path) -> None:
    other = record("fft|x")
    assert other.parameters
    other.parameters.trainable = 150
    first, second = write(tmp_path / "a", record("fft|x")), write(tmp_path / "b", other)
    assert "| fft\\|x | trainable parameters | 100 | 150 | +50.0% | worse |" in run_compare(first, second).markdown()
    assert not run_compare(first, second).failed
    assert [f.number for f in run_compare(first, second, "worse").failed] == ["trainable parameters"]
    assert not run_compare(second, first, "worse").failed
    assert "no change beyond noise" in run_compare(first, first).title


def test_disturbed_epochs_are_not_compared(tmp_path: Path) -> None:
    other = record(totals=(9, 40.0, 2.0, 2.0, 2.0))
    other.time.epochs[1].waited = 30.0
    first = write(tmp_path / "a", record())
    assert changes(first, write(tmp_path / "b", other)) == {}
    for epoch in other.time.epochs:
        epoch.waited = epoch.total / 2
    found = changes(first, write(tmp_path / "c", other))["epoch"]
    assert (found.verdict, found.why) == ("not judged", "fewer than 3 timed epochs, 4 disturbed by other work")
