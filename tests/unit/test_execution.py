"""A cell from end to end within this process: what it sets, what it records, and how it goes on."""

import errno
import io
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tpmebench.bench.meters.clocks import EpochTimes, PhaseClock
from tpmebench.bench.meters.waiting import Waits
from tpmebench.bench.tasks.task import Diverged
from tpmebench.bench.worker import phases as execution
from tpmebench.bench.worker import run_cell as worker
from tpmebench.bench.worker.build import CacheUse
from tpmebench.bench.worker.job import Events, Job
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.phases import execute, prepare_process
from tpmebench.bench.worker.step import Trained
from tpmebench.cell import BackboneChoice, Cell, Head, Training
from tpmebench.datasets.catalogue import Sequences
from tpmebench.energy import Energy
from tpmebench.errors import BenchError, Mended
from tpmebench.reports.analysis.machine import machine_words
from tpmebench.reports.records import Compute, Epoch, Memory, Parameters, PhaseMemory, Record, StepTimes, ranks_path

CELL = Cell(
    method="sasrec-id",
    dataset="bazaar:items=60,users=40",
    modalities="text",
    backbones=BackboneChoice(text="micro", image=None),
    training=Training(epochs=3, batch=16, learning_rate_scale=0.5),
    head=Head(width=8),
    seed=5,
)


class Listener(Events):
    """Keeps what a cell tells, and ends it at an epoch, as a kill would."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__(io.StringIO())
        self.told: list[dict[str, Any]] = []
        self._until = until

    def tell(self, event: str, **facts: Any) -> None:
        self.told.append({"event": event, **facts})
        if event == "epoch" and facts["number"] == self._until:
            raise KeyboardInterrupt


def blank() -> Record:
    return Record(
        study="s", cell=CELL, cell_id=CELL.id, family="reference", status="crashed", started="2026-01-01T00:00:00+00:00"
    )


@pytest.fixture(autouse=True)
def meters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rates of the machine take seconds to measure and matter to nobody here; every look at the card costs a joule."""
    monkeypatch.setattr(execution, "matrix_rate", lambda device: 1.0)
    monkeypatch.setattr(execution, "copy_rate", lambda device: 1.0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def run(directory: Path, listener: Listener) -> Record:
    record = blank()
    execute(record, Job(record=record, directory=directory, checkpoint_seconds=0), listener)
    return record


def test_recorded_rates_are_those_that_are_trained_with(tmp_path: Path) -> None:
    from tpmebench.methods.registry import make_method

    record = run(tmp_path, Listener())
    rates = make_method("sasrec-id").learning_rates(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    assert record.rates["head"] == 0.5 * rates.head
    assert record.warnings == []


def test_damage_that_was_mended_stands_in_the_record_and_on_screen_and_other_warnings_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))
    record, listener = blank(), Listener()
    with pytest.warns(UserWarning) as logged, execution._telling_of_damage(record, listener):
        for _ in range(2):
            warnings.warn(f"{tmp_path}/images/a/pixels.npy: changed", Mended, stacklevel=1)
        warnings.warn("a library's", stacklevel=1)
    assert record.warnings == ["images/a/pixels.npy: changed"], "no path of this machine, and once"
    assert listener.told == [{"event": "warning", "message": f"{tmp_path}/images/a/pixels.npy: changed"}]
    assert len(logged) == 3, "the log has them all"
    with pytest.warns(Mended):
        warnings.warn("later", Mended, stacklevel=1)
    assert len(record.warnings) == 1


class Card:
    """The energy counter of a card: a joule for each time it is read."""

    counts = count()

    def __init__(self, device: torch.device, powercap: Path | None) -> None:
        assert powercap is None, "of the whole run the card alone is followed"
        self.began = 0

    def start(self) -> None:
        self.began = next(Card.counts)

    def stop(self) -> Energy | None:
        return Energy(joules={"card": float(next(Card.counts) - self.began)})


def test_a_continued_cell_has_the_energy_of_all_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "EnergyMeter", Card)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=3))
    record = run(tmp_path, Listener())
    assert [epoch.resumed for epoch in record.time.epochs] == [False, False, True]
    assert record.energy == 2 + 1  # two epochs with a checkpoint each, then the last epoch's reading
    monkeypatch.setattr(Card, "stop", lambda self: None)
    assert run(tmp_path, Listener()).energy is None


def test_a_continued_cell_ran_beside_as_many_as_any_of_its_runs(tmp_path: Path) -> None:
    """Begun by `--jobs 8` and ended alone, or the other way round: its first epochs are no quiet ones."""
    for beside in ((7, 0), (0, 7)):
        records = [blank().model_copy(update={"beside": each}) for each in beside]
        jobs = [Job(record=record, directory=tmp_path, checkpoint_seconds=0) for record in records]
        with pytest.raises(KeyboardInterrupt):
            execute(records[0], jobs[0], Listener(until=3))
        execute(records[1], jobs[1], Listener())
        assert [epoch.resumed for epoch in records[1].time.epochs] == [False, False, True]
        assert records[1].beside == 7


def test_energy_is_unknown_when_that_of_an_earlier_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=3))  # without a counter
    monkeypatch.setattr(execution, "EnergyMeter", Card)
    assert run(tmp_path, Listener()).energy is None


def test_a_checkpoint_that_cannot_be_used_is_told_of_and_recorded(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=2))
    (path,) = (tmp_path / "checkpoints").glob("*.safetensors")
    path.write_text("no checkpoint")
    listener = Listener()
    record = run(tmp_path, listener)
    (warning,) = record.warnings
    assert "started anew" in warning
    assert {"event": "warning", "message": warning} in listener.told
    assert not any(epoch.resumed for epoch in record.time.epochs)


VALID, TEST = np.array([1.0] * 4 + [np.inf] * 36), np.array([1.0] * 6 + [15.0] * 6 + [np.inf] * 28)


def half_second(loss: float) -> Epoch:
    times = EpochTimes(total=0.5, data=0.1, forward=0.1, backward=0.2, update=0.1)
    epoch = Trained(loss, steps=3, items=5, times=times, waits=Waits(0.1, 0.5, 3)).record(users=40)
    return epoch.model_copy(update={"valid": {"HR@10": 0.1}, "others": 2})


@dataclass
class Story:
    """What the passes of a cell found, no two numbers alike, and what a fit was given and did."""

    directory: Path
    began: Progress = field(default_factory=Progress)
    fit: Fit | None = None
    drawn: float = 0.0
    checkpoints: int = 0

    def run(self, fit: Fit, progress: Progress, after_epoch: Callable[[Progress], None]) -> Progress:
        """In the place of a fit: two epochs, the first the best, with other ranks in the last."""
        self.fit, self.began, self.drawn = fit, progress, float(torch.rand(()))
        fit.memory.phases = {
            "training": PhaseMemory(rss=31, allocated=32),
            "evaluation": PhaseMemory(rss=41, allocated=42),
        }
        fit.disturbed(half_second(3.0), 7)
        progress.epochs = [half_second(2.0), half_second(1.0)]
        progress.step_times = [float(step) for step in range(101)]
        progress.best, progress.best_epoch, progress.test_seconds = 0.1, 1, 0.75
        progress.valid_ranks, progress.test_ranks = VALID, TEST
        after_epoch(progress)
        self.checkpoints = len(list(self.directory.glob("checkpoints/*.safetensors")))
        return progress


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    told = Story(tmp_path)
    parameters = Parameters(trainable=11, total=12, parts={"head": (11, 12)}, saved_bytes=13)
    compute = Compute(forward=21, backward=22, items=23, slots=24)
    training, evaluation = PhaseMemory(tensors=33), PhaseMemory(tensors=43)
    kinds = {"weights": 33}
    memory = Memory(origin="cpu-tensors", training=training, evaluation=evaluation, kinds=kinds, metered_steps=2)
    monkeypatch.setattr(execution, "count_parameters", lambda trainer: parameters)
    monkeypatch.setattr(execution, "count_operations", lambda trainer: compute)
    monkeypatch.setattr(execution, "tensor_memory", lambda trainer, evaluator: memory)
    monkeypatch.setattr(execution, "matrix_rate", lambda device: 51.0)
    monkeypatch.setattr(execution, "copy_rate", lambda device: 52.0)
    monkeypatch.setattr(execution.Trainer, "warm_up", lambda self: len(torch.rand(3)))
    monkeypatch.setattr(execution.Fit, "run", lambda fit, progress, after: told.run(fit, progress, after))
    return told


def test_a_record_holds_what_each_pass_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhaseClock, "__init__", lambda self, device: setattr(self, "source", "cuda-events"))
    record, listener = blank(), Listener()
    job = Job(record=record, directory=story.directory, warnings=["load 3.1"], repeat_disturbed=4)
    execute(record, job, listener)
    assert record.environment.warnings == ["load 3.1"]
    assert (record.environment.matrix_rate, record.environment.copy_rate) == (51.0, 52.0)
    assert record.batch == 16
    assert record.dataset and record.dataset == execution.assemble(CELL, lambda *_: None).dataset.facts
    assert record.parameters is not None and record.parameters.trainable == 11
    assert record.compute is not None and record.compute.backward == 22
    assert record.memory is not None
    assert record.memory.training == PhaseMemory(tensors=33, rss=31, allocated=32)
    assert record.memory.evaluation == PhaseMemory(tensors=43, rss=41, allocated=42)
    assert (record.memory.kinds, record.memory.metered_steps) == ({"weights": 33}, 2)
    assert record.memory.cache_build is record.memory.feature_cache is record.time.cache_build is None
    assert [epoch.loss for epoch in record.time.epochs] == [2.0, 1.0]
    assert record.time.steps == StepTimes(p50=50.0, p90=90.0, p99=99.0)
    assert (record.time.warmup_steps, record.time.test) == (3, 0.75)
    assert record.time.clock == "cuda-events"
    accuracy = record.accuracy
    assert accuracy is not None and accuracy.best_epoch == 1
    assert (accuracy.valid.metrics["HR@10"], accuracy.test.metrics["HR@20"]) == (4 / 40, 12 / 40)
    assert np.array_equal(np.load(ranks_path(story.directory, record.cell_id)), TEST)
    assert story.fit is not None and story.fit.repeat_disturbed == 4
    assert {"event": "disturbed", "number": 7, "lost": 0.2, "others": 2} in listener.told
    (epoch,) = (told for told in listener.told if told["event"] == "epoch")
    assert (epoch["number"], epoch["of"], epoch["loss"], epoch["valid"]) == (2, 3, 1.0, 0.1)


def test_training_draws_from_the_seed_whatever_was_drawn_before(story: Story) -> None:
    run(story.directory, Listener())
    torch.manual_seed(CELL.seed)
    assert story.drawn == float(torch.rand(()))


def test_what_a_cache_cost_is_recorded(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    use = CacheUse(seconds=6.5, bytes=71, reused=False, memory=PhaseMemory(tensors=72), built_by="cell x")
    use.machine, use.beside = "Another", 3
    whole, apart = execution.assemble, []
    monkeypatch.setattr(execution, "build_apart", lambda *_, **told: apart.append(told))

    def assemble(*given: Any) -> Any:
        given[2]()
        return replace(whole(*given), cache=use)

    monkeypatch.setattr(execution, "assemble", assemble)
    record = run(story.directory, Listener())
    times, memory = record.time, record.memory
    assert (times.cache_build, times.cache_reused, times.cache_built_by) == (6.5, False, "cell x")
    assert (times.cache_machine, times.cache_beside) == ("Another", 3)
    assert apart == [{"machine": machine_words(record), "beside": 0}] and machine_words(record)
    assert memory is not None and (memory.cache_build, memory.feature_cache) == (PhaseMemory(tensors=72), 71)


@pytest.mark.parametrize(("every", "written"), [(0.0, 1), (3600.0, 0)])
def test_checkpoints_are_written_as_often_as_asked_and_gone_at_the_end(
    story: Story, monkeypatch: pytest.MonkeyPatch, every: float, written: int
) -> None:
    monkeypatch.setattr(execution, "load_checkpoint", lambda *_: (Progress(seconds=100.0), None))
    record = blank()
    execute(record, Job(record=record, directory=story.directory, checkpoint_seconds=every), Listener())
    assert story.checkpoints == written
    assert (story.began.seconds > 100.0) is bool(written)
    assert record.time.total is not None and record.time.total > 100.0, "that of the earlier run is in it"
    assert not list(story.directory.glob("checkpoints/*.safetensors"))


def test_nothing_is_kept_of_a_cell_that_is_done(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution.Progress, "finished", lambda *_: True)
    run(story.directory, Listener())
    assert story.checkpoints == 0


@pytest.mark.parametrize("rule", ["miss", "rank"])
def test_a_ranking_by_counts_is_ranked_split_by_split(tmp_path: Path, rule: str) -> None:
    """Against ranks by hand: items above, half of the ties, no history unless repeats may be ranked."""
    evaluation = CELL.evaluation.model_copy(update={"repeat_targets": rule})
    cell = CELL.model_copy(update={"method": "popularity", "evaluation": evaluation})
    record = blank().model_copy(update={"cell": cell})
    execute(record, Job(record=record, directory=tmp_path), Listener())
    dataset = execution.assemble(cell, lambda *_: None).dataset
    counts = dataset.train_counts.astype(float)

    def ranks(split: Sequences) -> np.ndarray:
        found = []
        for *history, target in (split[user].tolist() for user in range(len(split))):
            scores = counts.copy()
            scores[[0, *(history if rule == "miss" else [])]] = -np.inf
            above, ties = (scores > scores[target]).sum(), (scores == scores[target]).sum() - 1
            found.append(np.inf if np.isinf(scores[target]) else 1 + above + ties / 2)
        return np.array(found)

    valid, test = ranks(dataset.valid), ranks(dataset.test)
    assert record.accuracy is not None and not np.array_equal(valid, test)
    assert record.accuracy.valid.metrics["MRR"] == pytest.approx(float(np.mean(1 / valid)))
    assert record.accuracy.test.metrics["MRR"] == pytest.approx(float(np.mean(1 / test)))
    assert record.accuracy.best_epoch == 0
    assert np.array_equal(np.load(ranks_path(tmp_path, record.cell_id)), test)
    assert record.time.test is not None and record.time.total is not None and record.time.epochs == []


def test_a_random_ranking_is_its_seed_s(tmp_path: Path) -> None:
    found = []
    for seed in (1, 1, 2):
        cell = CELL.model_copy(update={"method": "random", "seed": seed})
        record = blank().model_copy(update={"cell": cell})
        execute(record, Job(record=record, directory=tmp_path), Listener())
        found.append(np.load(ranks_path(tmp_path, record.cell_id)))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_a_cell_ends_with_all_it_started_when_its_harness_is_gone() -> None:
    program = """
import subprocess, sys
from tpmebench.bench.worker.lifeline import die_with_parent
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
die_with_parent(sys.stdin.buffer)
"""
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-c", program]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        assert process.stdin is not None and process.stdout is not None
        child = Path(f"/proc/{int(process.stdout.readline())}/stat")
        process.stdin.close()
        assert process.wait(60) == -signal.SIGKILL
    for _ in range(1000):
        if not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("what it started goes on")


def test_a_process_is_prepared_as_its_cell_says() -> None:
    prepare_process(CELL.model_copy(update={"threads": 1, "deterministic": True}))
    drawn = random.random(), np.random.rand(), torch.rand(())  # noqa: NPY002
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, True)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert drawn == (random.random(), np.random.rand(), torch.rand(()))  # noqa: NPY002


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (BenchError("lora: no such map; choose others"), "refused", "lora: no such map; choose others"),
        (Diverged("the loss is nan"), "diverged", "Diverged: the loss is nan"),
        (MemoryError(), "oom", "MemoryError"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "oom", "OSError: [Errno 12] Cannot allocate memory"),
        (OSError(errno.ENOENT, "gone"), "crashed", "FileNotFoundError: [Errno 2] gone"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory\nmore"), "oom", "RuntimeError: Default"),
        (torch.OutOfMemoryError("CUDA"), "oom", "OutOfMemoryError: CUDA"),
        (RuntimeError("CUDA error: out of memory\nCompile with"), "oom", "RuntimeError: CUDA error: out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom", "Runtime"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "oom", "RuntimeError: cuDNN"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "crashed", "RuntimeError: CUDA"),
        (RuntimeError("another"), "crashed", "RuntimeError: another"),
        (SystemExit(0), "crashed", "SystemExit: 0"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_every_error_has_its_status_and_a_cause_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: str, cause: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(execution, "execute", fails)
    record = worker._run(Job(record=blank(), directory=tmp_path), Listener())
    assert record.status == status
    assert record.error is not None and record.error.startswith(cause) and "\n" not in record.error
