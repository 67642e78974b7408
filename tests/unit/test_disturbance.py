"""Times that other work disturbed: measured in every epoch, marked, repeated, and kept out of T."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tpmebench.bench.console import Screen
from tpmebench.bench.meters import cuda, waiting
from tpmebench.bench.meters.waiting import WAKE_UP, WaitMeter, Waits, run_delays
from tpmebench.bench.running.display import Display
from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.step import Trained, Trainer, trainable_state
from tpmebench.bench.worker.training_state import TrainerState
from tpmebench.reports.analysis import comparison as frame
from tpmebench.reports.analysis import uncertainty
from tpmebench.reports.analysis.cells import times
from tpmebench.reports.analysis.epochs import timed_epochs
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.measurements import Pass, Use
from tpmebench.reports.records import Epoch, Record, StepTimes
from tpmebench.reports.tables.main import main_table
from tpmebench.reports.tables.settings import warnings

QUIET = Waits(waited=0.0, cpu=1.0, preempted=0)

SHARE_A_CORE = """
import os, subprocess, sys, time
from tpmebench.bench.meters.waiting import WaitMeter

core = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {core})

def work(seconds):
    meter, start = WaitMeter(), time.perf_counter()
    meter.start()
    while time.perf_counter() - start < seconds:
        sum(range(1000))
    waits = meter.stop()
    print(waits.waited / (time.perf_counter() - start), waits.cpu, waits.preempted)

other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
try:
    work(0.6)
finally:
    other.kill()
"""


@pytest.mark.skipif(run_delays() is None, reason="this system does not tell how long threads wait")
def test_a_process_that_shares_its_core_waits_half_of_the_time():
    done = subprocess.run([sys.executable, "-c", SHARE_A_CORE], capture_output=True, text=True, check=True)
    lost, cpu, preempted = map(float, done.stdout.split())
    assert 0.3 < lost < 1.01
    assert 0 < cpu < 0.5
    assert preempted > 0


def test_the_waits_of_all_threads_count_and_what_waking_up_takes_does_not(monkeypatch: pytest.MonkeyPatch):
    delays = iter([{"1": 10**9, "2": 0}, {"1": 3 * 10**9, "2": 5 * 10**8, "3": 25 * 10**7}])
    usage = iter([(100, 7), (1100, 9)])

    class Usage:
        def __init__(self, counts: tuple[int, int]) -> None:
            self.ru_nvcsw, self.ru_nivcsw = counts

    monkeypatch.setattr(waiting.resource, "getrusage", lambda _: Usage(next(usage)))
    meter = WaitMeter(delays=lambda: next(delays))
    meter.start()
    waits = meter.stop()
    assert waits.waited == pytest.approx(2.75 - 1000 * WAKE_UP)
    assert waits.preempted == 2


def test_waits_are_unknown_where_the_system_does_not_tell():
    meter = WaitMeter(delays=lambda: None)
    meter.start()
    assert meter.stop().waited is None


def test_other_processes_on_the_card_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuda, "processes", lambda device: [(os.getpid(), 1), (1, 2), (2, None)] if device else [])
    for device, others in (("cuda:0", 2), ("cpu", 0)):
        meter = WaitMeter(device)
        meter.start()
        assert meter.stop().others == others


def test_inside_a_container_this_process_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch):
    """There the driver's ids are those of the machine around it, so one's own is not among them."""
    monkeypatch.setattr(cuda, "processes", lambda device: [(-1, None), (-2, None)])
    assert cuda.others("cuda:0") == 2, "this process computes on no card"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert cuda.others("cuda:0") == 1
    monkeypatch.setattr(cuda, "processes", lambda device: [])
    assert cuda.others("cuda:0") == 0, "the driver hides them all"


def fit_of(
    parts: TrainedCell, disturbed: dict[int, list[float]], told: list[int] | None = None, repeat: int = 0
) -> Fit:
    """A fit whose epochs meet the shares of disturbance in `disturbed`, by epoch and attempt; 0 where none is left."""
    trainer = Trainer(parts)
    evaluator = Evaluator(
        trainer.recommender, trainer.content, parts.dataset, RankingRule(), parts.device, trainer.autocast
    )
    whole = trainer.epoch

    def epoch(number: int) -> Trained:
        trained = whole(number)
        left = disturbed.get(number, [])
        share = left.pop(0) if left else 0.0
        return replace(trained, waits=replace(QUIET, waited=share * trained.times.total))

    trainer.epoch = epoch  # type: ignore[method-assign]
    tell = lambda _, number: None if told is None else told.append(number)  # noqa: E731
    return Fit(parts, trainer, evaluator, MemoryMeter(parts.device), repeat, tell)


def train(fit: Fit) -> tuple[Progress, dict[str, torch.Tensor], torch.Tensor]:
    torch.manual_seed(0)
    progress = fit.run(Progress(), lambda _: None)
    return progress, trainable_state(fit.trainer.recommender), torch.get_rng_state()


def test_a_repeated_epoch_trains_the_same_to_the_last_bit(small_cell: Callable[..., TrainedCell]):
    told: list[int] = []
    plain, weights, generator = train(fit_of(small_cell("lora", epochs=3), {}))
    again = fit_of(small_cell("lora", epochs=3), {0: [0.5], 1: [0.4, 0.3, 0.1], 2: [0.9]}, told, repeat=2)
    repeated, weights_again, generator_again = train(again)
    assert told == [1, 2, 2, 3]
    assert [epoch.attempts for epoch in repeated.epochs] == [2, 3, 2]
    assert [epoch.loss for epoch in repeated.epochs] == [epoch.loss for epoch in plain.epochs]
    assert [epoch.valid for epoch in repeated.epochs] == [epoch.valid for epoch in plain.epochs]
    assert (repeated.test_ranks == plain.test_ranks).all()
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)
    assert torch.equal(generator, generator_again)
    assert len(repeated.step_times) == len(plain.step_times)


def test_of_several_attempts_the_least_disturbed_is_kept(small_cell: Callable[..., TrainedCell]):
    progress, *_ = train(fit_of(small_cell("sasrec-id", epochs=1), {0: [0.4, 0.1, 0.3]}, repeat=2))
    assert progress.epochs[0].disturbance == pytest.approx(0.1)
    assert progress.epochs[0].attempts == 3


def test_nothing_is_repeated_unless_the_study_allows_it(small_cell: Callable[..., TrainedCell]):
    progress, *_ = train(fit_of(small_cell("sasrec-id", epochs=1), {0: [0.4]}))
    assert progress.epochs[0].attempts == 1
    assert progress.epochs[0].disturbance == pytest.approx(0.4)


def test_a_kept_state_can_be_put_back_twice(small_cell: Callable[..., TrainedCell]):
    trainer = Trainer(small_cell("sasrec-id"))
    trainer.epoch(0)
    state, losses = TrainerState.of(trainer), []
    for _ in range(3):
        losses.append(trainer.epoch(1).loss)
        state.restore(trainer)
    assert losses[0] == losses[1] == losses[2]


def test_a_real_epoch_tells_what_it_met(small_cell: Callable[..., TrainedCell]):
    epoch = Trainer(small_cell("sasrec-id")).epoch(0).record(users=40)
    assert epoch.cpu is not None and epoch.cpu > 0
    assert (epoch.waited is None) == (run_delays() is None)


def with_waits(record: Record, shares: list[float], **fields: Any) -> Record:
    """The record with epochs that lost these shares; the first has 10 times the time of the others."""
    base = record.time.epochs[0].model_dump()
    epochs = [
        Epoch.model_validate(base | {"total": 10.0 if not number else 1.0 + number, "waited": share * (1.0 + number)})
        for number, share in enumerate(shares)
    ]
    for number in fields.pop("resumed", []):
        epochs[number].resumed = True
    return record.model_copy(update={"time": record.time.model_copy(update={"epochs": epochs})})


@pytest.mark.parametrize(
    ("shares", "resumed", "counted"),
    [
        ([0.0, 0.0, 0.0], [], [2.0, 3.0]),
        ([0.0, 0.19, 0.21], [], [2.0]),
        ([0.0, 0.3, 0.3], [], []),
        ([0.0], [], [10.0]),
        ([0.0, 0.0, 0.0, 0.0], [2], [2.0, 4.0]),  # the continued process was cold
        ([0.0, 0.0], [1], [10.0, 2.0]),  # nothing else is there
    ],
)
def test_the_first_epoch_of_a_process_and_disturbed_ones_stay_out_of_the_time(
    make_record: Callable[..., Record], shares: list[float], resumed: list[int], counted: list[float]
):
    record = with_waits(make_record("lora"), shares, resumed=resumed)
    assert [epoch.total for epoch in timed_epochs(record)] == counted
    assert len(timed_epochs(record, disturbed=True)) >= len(counted)


def run_beside(record: Record) -> Record:
    """As it would be beside three others."""
    record = record.model_copy(update={"beside": 3, "energy": 7.0})
    record.time.cache_build, record.time.start, record.time.test = 2.0, 2.0, 2.0
    record.time.steps = StepTimes(p50=2.0, p90=2.0, p99=2.0)
    record.use = Use(items=5, passes=[Pass(encoding=1.0, items=5, ranking=1.0, users=2)])
    return record


def test_cells_that_ran_beside_others_have_no_times_unless_asked(make_record: Callable[..., Record]):
    record = run_beside(with_waits(make_record("lora"), [0.0, 0.0]))
    of_two = ("time", "cache_build", "start", "test_time", "step_p50", "step_p90", "step_p99")
    rest = ("encoding", "energy", "left_out", "beside")
    assert [times(record)[name] for name in (*of_two, *rest)] == [None] * 7 + [None, None, None, 3]
    assert [times(record, True)[name] for name in (*of_two, *rest)] == [2.0] * 7 + [1.0, 7.0, 0, 0]
    assert times(record)["total_time"] == record.time.total, "that is what it took"


@pytest.mark.parametrize("disturbed", [False, True])
def test_a_report_says_which_cells_ran_beside_others(make_record: Callable[..., Record], disturbed: bool):
    """Of lora one of two cells did, and T is the other's; popularity trains nothing that others could slow down."""
    records = [with_waits(make_record(name, seed=seed), [0.0, 0.0]) for name, seed in (("fft", 0), ("lora", 0))]
    records += [run_beside(with_waits(make_record(name, seed=1), [0.0, 0.0])) for name in ("bitfit", "lora")]
    counted = make_record("popularity").model_copy(update={"beside": 3})
    [one] = frame.compare([Result(record) for record in (*records, counted)], disturbed)
    main = main_table(one, CostWeights())
    [line] = [line for line in warnings(one) if "beside" in line]
    count = "count all the same" if disturbed else "do not count (`bench report --disturbed` counts them)"
    assert line == (
        f"Run beside other cells (`--jobs`), so that times and energy {count}: lora (in 1 of 2 cells), bitfit."
    )
    notes, status = " ".join(main.notes), main.frame["status"].to_dict()
    assert status["bitfit"] == ("ok" if disturbed else "ok, no T: beside others")
    assert {status[name] for name in ("fft", "lora", "popularity")} == {"ok"}
    assert ("failed, trains nothing or ran beside others." in notes) != disturbed
    assert "disturbed so much" not in notes and "lost more than" not in notes


@pytest.mark.parametrize(
    ("machine", "beside", "own", "told"),
    [
        ("", 0, 0, False),  # a record of before
        ("Example CPU @ 2.5 GHz, 2, 2", 0, 0, False),
        ("Example CPU @ 2.5 GHz, 2, 2", 7, 0, True),
        ("Example CPU @ 2.5 GHz, 2, 1", 0, 0, True),  # with another number of threads
        ("Example CPU @ 2.5 GHz, 2, 2; Another", 0, 0, True),  # one of its two towers
        ("Another", 7, 7, False),  # it has no times itself
    ],
)
def test_a_report_says_whose_cache_was_built_otherwise_than_it_ran(
    make_record: Callable[..., Record], machine: str, beside: int, own: int, told: bool
):
    record = make_record("iisan-cached").model_copy(deep=True, update={"beside": own})
    record.time.cache_machine, record.time.cache_beside = machine, beside
    [one] = frame.compare([Result(record), Result(make_record("fft"))])
    lines = [line for line in warnings(one) if line.startswith("The feature cache was built beside")]
    assert [line.rpartition(": ")[2] for line in lines] == ["iisan-cached."] * told


def comparison_of(make_record: Callable[..., Record], disturbed: bool, **shares: list[float]) -> frame.Comparison:
    records = [with_waits(make_record(name), own) for name, own in shares.items()]
    [comparison] = frame.compare([Result(record) for record in records], disturbed)
    return comparison


def test_tables_mark_a_disturbed_time_and_say_what_was_left_out(make_record: Callable[..., Record]):
    shares = {"fft": [0, 0, 0.0], "lora": [0, 0.1, 0], "bitfit": [0, 0.5, 0], "adapter": [0, 0.5, 0.5]}
    table = main_table(comparison_of(make_record, False, **shares), CostWeights())
    times = table.texts[next(name for name in table.texts.columns if name.startswith("T ("))]
    assert {label: str(text).endswith("†") for label, text in times.items()} == {
        "fft": False,
        "lora": True,
        "bitfit": False,
        "adapter": False,
    }
    assert times["adapter"] == "–"
    assert table.frame["status"]["adapter"] == "ok, no T: disturbed"
    assert table.frame["status"]["bitfit"] == "ok"
    notes = " ".join(table.notes)
    assert "†: an epoch behind this time lost more than 5%" in notes
    assert "no part of T, in bitfit, adapter" in notes or "no part of T, in adapter, bitfit" in notes
    assert "every epoch was disturbed so much: adapter." in notes
    assert pd_isna(table.frame["tpme"]["adapter"]) and not pd_isna(table.frame["tpme"]["bitfit"])


def pd_isna(value: Any) -> bool:
    return value != value


def test_a_report_counts_disturbed_epochs_when_asked(make_record: Callable[..., Record]):
    shares = {"fft": [0, 0, 0.0], "adapter": [0, 0.5, 0.5]}
    comparison = comparison_of(make_record, True, **shares)
    table = main_table(comparison, CostWeights())
    assert table.frame["time"]["adapter"] == pytest.approx(2.5)
    times = table.texts[next(name for name in table.texts.columns if name.startswith("T ("))]
    assert str(times["adapter"]).endswith("†")
    assert uncertainty.times_by_run(comparison, "adapter") == {(0, 0): [2.0, 3.0]}
    assert uncertainty.times_by_run(comparison_of(make_record, False, **shares), "adapter") == {}


def test_the_screen_says_what_disturbed_an_epoch_while_it_runs(
    make_record: Callable[..., Record], capsys: pytest.CaptureFixture[str]
):
    event = {"event": "epoch", "number": 2, "of": 3, "loss": 1.0, "metric": "HR@10", "valid": 0.1, "seconds": 2.0}
    view = Display(Screen()).start(1, 1, make_record("lora").cell)
    view.update(event | {"lost": 0.04, "others": 0})
    view.update({"event": "disturbed", "number": 2, "lost": 0.34, "others": 0})
    view.update(event | {"lost": 0.06, "others": 1})
    _, quiet, again, marked = capsys.readouterr().out.splitlines()
    assert "†" not in quiet
    assert "epoch 2  † 34% lost to waiting for a core; running it again" in again
    assert "† 6% lost to waiting for a core, 1 other process(es) on the GPU" in marked
