"""Calibrations: operators timed by a clock of the test's, interpolation by hand, and whose file is taken."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tpmebench.bench.planning.calibrate import Bench, calibrate, fit
from tpmebench.bench.planning.calibration import (
    Beside,
    Calibration,
    Data,
    Machine,
    Rates,
    Sample,
    calibration_path,
    interpolated,
    load_calibration,
    seconds,
)
from tpmebench.bench.planning.comparisons import Comparison, error_of, shipped
from tpmebench.bench.planning.data import data_rates
from tpmebench.bench.planning.epoch import typical_step
from tpmebench.bench.planning.reference import Part, ReferenceStep, Size
from tpmebench.bench.planning.replay import arguments, operator_seconds
from tpmebench.bench.planning.work import Operator, Shape, StepWork, WorkMode
from tpmebench.bench.worker.step import Trainer
from tpmebench.errors import BenchError

CPU = torch.device("cpu")
HERE = Machine(processor="one", device="cpu", threads=1, torch="2.13")
TINY = Size(width=32, layers=1, users=2, tokens=4)


def product(n: int, name: str = "aten.mm.default") -> Operator:
    """A square product."""
    shape = Shape("float32", (n, n))
    return Operator(name, (shape, shape), (shape,), "float32", 2 * n**3, 12 * n**2)


def moving(size: int, name: str = "aten.copy_.default") -> Operator:
    shape = Shape("float32", (size // 8,))
    return Operator(name, (shape,), (shape,), "float32", 0, size)


def calibration(taken: dict[Operator, float], **more: Any) -> Calibration:
    samples = [Sample.of(operator, one) for operator, one in taken.items()]
    found = Calibration(machine=HERE, measured="2026-11-27", matrix_rate=1e9, copy_rate=1e8, samples=samples)
    return found.model_copy(update=more)


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by `step` each time it is read."""
    ticks = count()
    return lambda: next(ticks) * step


# What a step takes


def test_operators_that_were_measured_take_what_they_took() -> None:
    a, b = product(64), moving(800)
    found = seconds(StepWork({a: 3, b: 2}), calibration({a: 0.5, b: 0.25}))
    assert found.seconds == 2.0
    assert (found.measured, found.alike, found.rough) == (1.0, 0.0, 0.0)


def test_between_two_sizes_logarithms_are_interpolated() -> None:
    line = [(100.0, 1.0), (10_000.0, 16.0)]
    assert interpolated(line, 1_000.0) == pytest.approx(4.0)
    assert interpolated(line, 100.0) == 1.0
    assert interpolated(line, 10_000.0) == pytest.approx(16.0)


def test_beyond_the_ends_the_rate_stays() -> None:
    line = [(100.0, 1.0), (10_000.0, 16.0)]
    assert interpolated(line, 50.0) == 0.5
    assert interpolated(line, 20_000.0) == pytest.approx(32.0)


@given(st.lists(st.tuples(st.floats(1, 1e12), st.floats(1e-7, 1e3)), min_size=1, unique_by=lambda p: p[0]), st.data())
def test_an_interpolated_time_lies_between_its_neighbours(points: list[tuple[float, float]], data: st.DataObject):
    line = sorted(points)
    size = data.draw(st.floats(line[0][0], line[-1][0]))
    times = [time for _, time in line]
    assert min(times) * 0.999 <= interpolated(line, size) <= max(times) * 1.001


def test_a_product_is_likened_to_products_bound_as_it_is() -> None:
    thin = Operator("aten.mm.default", (), (), "float32", 1000, 4000)
    rates = Rates(calibration({product(64): 1.0, product(256): 64.0, thin: 1e-3}))
    how, one = rates.of(product(128))
    assert (how, one) == ("alike", pytest.approx(8.0))
    twice = Operator("aten.mm.default", (Shape("float32", (2, 2)),), (), "float32", 2000, 8000)
    assert rates.of(twice) == ("alike", pytest.approx(2e-3))


def test_another_dtype_is_better_than_nothing_and_bytes_are_the_last_resort() -> None:
    half = Operator("aten.mm.default", (), (), "bfloat16", 2 * 64**3, 6 * 64**2)
    rates = Rates(calibration({product(64): 1.0, moving(8): 1e-6}))
    assert rates.of(half) == ("alike", pytest.approx(1.0))
    assert rates.of(moving(10**8, "aten.unheard.default")) == ("rough", pytest.approx(1.0))
    assert rates.of(product(1000, "aten.unheard.default")) == ("rough", pytest.approx(2.0))


def test_nothing_takes_less_than_the_shortest_call() -> None:
    rates = Rates(calibration({moving(8_000): 1e-6}))
    assert rates.of(moving(8))[1] == 1e-6
    assert rates.of(moving(8, "aten.unheard.default"))[1] == 1e-6


UPDATE = Operator("aten._fused_adam_.default", (Shape("float32", (4,)),) * 10, (), "float32", 0, 160)
BESIDE = Beside(factor=1.5, forward=0.01, backward=0.1, tensor=1.0)


def test_on_a_cpu_the_hosts_time_adds_to_the_operators() -> None:
    work = StepWork({product(64): 5, UPDATE: 1}, backward=2)
    found = seconds(work, calibration({product(64): 2.0, UPDATE: 1.0}, beside=BESIDE))
    assert found.seconds == pytest.approx(1.5 * 11 + 4 * 0.01 + 2 * 0.1 + 10 * 1.0)


def test_on_a_card_the_longer_of_host_and_operators_counts() -> None:
    card = HERE.model_copy(update={"device": "cuda"})
    work = StepWork({product(64): 5}, backward=2)
    for factor, expected in ((1.0, 10.0), (1e-3, 0.23)):
        beside = BESIDE.model_copy(update={"factor": factor})
        found = seconds(work, calibration({product(64): 2.0}, beside=beside, machine=card))
        assert found.seconds == pytest.approx(expected)


def test_a_step_without_operators_takes_nothing() -> None:
    assert seconds(StepWork(), calibration({})).seconds == 0.0


def parts(beside: Beside, taken: dict[Operator, float]) -> Iterator[Part]:
    """Parts of steps that take exactly what a calibration with `beside` says."""
    for products, copies, updates, backward in ((3, 0, 0, 0), (20, 5, 0, 20), (50, 1, 0, 10), (1, 9, 2, 0)):
        counts = dict(zip(taken, (products, copies, updates), strict=True))
        work = StepWork({operator: times for operator, times in counts.items() if times}, backward=backward)
        yield Part(work, seconds(work, calibration(taken, beside=beside)).seconds)


def test_what_a_step_takes_beside_its_operators_is_found_again() -> None:
    taken = {product(64): 0.02, moving(800): 0.01, UPDATE: 0.5}
    expected = Beside(factor=1.2, forward=0.003, backward=0.002, tensor=0.01)
    found = fit(list(parts(expected, taken)), calibration(taken))
    for name in Beside.model_fields:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-6), name


def test_nothing_beside_is_ever_negative() -> None:
    taken = {product(64): 1.0}
    works = [StepWork({product(64): number}, backward=back) for number, back in ((10, 0), (10, 10), (100, 0))]
    found = fit([Part(work, 0.5 * work.launches) for work in works], calibration(taken))
    assert found.factor == pytest.approx(0.5)
    assert found.forward == pytest.approx(0.0, abs=1e-9)
    assert found.backward == 0.0


# Measuring


def calls(run: Callable[[], object]) -> WorkMode:
    with WorkMode() as mode:
        run()
    return mode


TABLE, ROWS, HEADS = torch.randn(6, 8), torch.tensor([[1, 5], [0, 2]]), torch.randn(2, 2, 4, 8)
AGAIN: dict[str, Callable[[], Any]] = {
    "product of a transposed": lambda: TABLE @ TABLE.t(),
    "expanded": lambda: TABLE + torch.ones(8).expand(6, 8),
    "embedding": lambda: functional.embedding(ROWS, TABLE),
    "index by two": lambda: TABLE[ROWS, ROWS],
    "index put": lambda: TABLE.clone().index_put_((ROWS[0],), TABLE[:2], accumulate=True),
    "gather": lambda: TABLE.gather(1, torch.zeros(6, 3, dtype=torch.long)),
    "classes": lambda: functional.cross_entropy(TABLE, torch.tensor([7, 0, 1, 2, 3, 4])),
    "mask": lambda: TABLE.masked_fill(TABLE > 0, 0.0),
    "convolution": lambda: functional.conv2d(torch.randn(2, 3, 8, 8), torch.randn(4, 3, 4, 4), stride=4),
    "attention": lambda: functional.scaled_dot_product_attention(HEADS, HEADS, HEADS),
    "dropout": lambda: functional.dropout(TABLE, 0.1),
    "bytes": lambda: TABLE.to(torch.uint8),
}


@pytest.mark.parametrize("what", AGAIN)
def test_an_operator_can_be_called_again_by_its_shapes(what: str) -> None:
    mode = calls(AGAIN[what])
    for operator, call in mode.calls.items():
        args, kwargs = arguments(call, CPU)
        again = calls(lambda call=call, args=args, kwargs=kwargs: call.function(*args, **kwargs))
        assert [one.key for one in again.work.operators] == [operator.key]


def test_the_whole_of_a_step_can_be_called_again() -> None:
    step = ReferenceStep(TINY, CPU)
    works, every = step.observe()
    assert every.work.launches == sum(work.launches for work in works)
    for operator, call in every.calls.items():
        assert operator_seconds(operator, call, CPU, 0.0, ticking(1.0)) == 1.0, operator.key


def test_an_operator_takes_the_first_quartile_of_its_calls() -> None:
    readings = iter([0.0, 0.0, 9.0, 10.0, 10.0, 13.0, 20.0, 22.0])
    mode = calls(lambda: TABLE @ TABLE.t())
    ((operator, call),) = mode.calls.items()
    assert operator_seconds(operator, call, CPU, 1.0, lambda: next(readings)) == 1.0


def test_a_long_call_is_made_once() -> None:
    readings = iter([0.0, 3.0])
    ((operator, call),) = calls(lambda: TABLE @ TABLE.t()).calls.items()
    assert operator_seconds(operator, call, CPU, 0.1, lambda: next(readings)) == 3.0


def test_what_cannot_be_called_again_is_left_out() -> None:
    mode = calls(lambda: TABLE @ TABLE.t())
    ((operator, call),) = mode.calls.items()
    broken = type(call)(call.function, (call.args[0],), {})
    assert operator_seconds(operator, broken, CPU, 0.0) is None


def test_a_calibration_has_the_steps_own_operators_and_predicts_them(small_cell: Callable[..., Any]) -> None:
    typical = typical_step(Trainer(small_cell("iisan-cached", batch=4)))
    found = calibrate([typical.mode], Bench(CPU, limit=1e6, sizes=(TINY,), clock=ticking(1e-3)))
    assert found.machine == Machine.here()
    planned = typical.planned(found)
    assert planned.step.measured == 1.0
    assert planned.steps == 10
    assert planned.seconds == planned.steps * (planned.step.seconds + planned.data) > 0


def test_no_operator_is_begun_once_the_limit_is_over() -> None:
    mode = calls(lambda: nn.Linear(8, 8)(torch.randn(2, 8)))
    found = calibrate([mode], Bench(CPU, limit=0.0, sizes=(TINY,), clock=ticking(1.0)))
    assert found.samples == []


def test_data_take_what_the_clock_says() -> None:
    found = data_rates(ticking(1.0))
    assert found == Data(batch=1.0, slot=0.0, byte=found.byte)
    assert 1 / found.byte == pytest.approx(88 * 3 * 64 * 64, rel=0.05)  # and titles


# The file


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = calibration({product(64): 1.0}, beside=BESIDE)
    written.save(tmp_path / "c" / "one.json")
    assert load_calibration(tmp_path / "c" / "one.json", HERE) == written


@pytest.mark.parametrize("field", ["processor", "threads", "torch", "device"])
def test_another_machines_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "one.json"
    calibration({}).save(path)
    other = {"processor": "two", "threads": 2, "torch": "2.14", "device": "cuda"}[field]
    machine = HERE.model_copy(update={field: other})
    with pytest.raises(BenchError, match=r"one\.json: measured on one.*--calibrate") as error:
        load_calibration(path, machine)
    assert "\n" not in str(error.value)
    assert calibration_path(machine) != calibration_path(HERE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 2}', "another version"),
        ("[]", "no calibration"),
        ('{"version": 1}', "no calibration"),
        ("{", "not valid JSON"),
        ('{"version": 1, "matrix_rate": -1}', "no calibration"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(BenchError, match=said) as error:
        load_calibration(path, HERE)
    assert "\n" not in str(error.value)


def test_samples_of_operators_not_measured_now_are_kept() -> None:
    old = calibration({product(64): 1.0, product(32): 2.0})
    new = calibration({product(64): 3.0})
    kept = Rates(new.merged(old))
    assert kept.of(product(64)) == ("measured", 3.0)
    assert kept.of(product(32)) == ("measured", 2.0)
    assert new.merged(None) == new


# The error


def compared(planned: float, share: float = 1.0) -> Comparison:
    return Comparison(
        method="fft", dataset="bazaar", backbones="micro", batch=32, planned=planned, measured=1.0, share=share,
        machine=HERE, load=0.0, when="2026-11-27",
    )  # fmt: skip


def test_the_stated_error_is_that_of_the_worst_but_one_in_twenty() -> None:
    found = [compared(1 + number / 100) for number in range(1, 41)]
    assert error_of(found, 1.0) == pytest.approx(0.38)
    assert compared(0.5).error == 1.0


def test_times_that_were_interpolated_carry_their_own_error() -> None:
    found = [compared(1.1), compared(1.5, share=0.2)]
    assert error_of(found, 1.0) == pytest.approx(0.1)
    assert error_of(found, 0.5) == pytest.approx(0.5)
    assert error_of(found[:1], 0.5) == pytest.approx(0.1)


def test_the_shipped_comparisons_are_of_every_method_of_the_demo() -> None:
    """The bar, 30 % for each on a quiet machine, is held by `tests/soak/planned_time.py`."""
    own = [one for one in shipped() if one.share >= 0.9]
    assert {"adapter", "bitfit", "fft", "frozen", "iisan", "iisan-cached", "lora"} <= {one.method for one in own}
    assert 0 < error_of(own, 1.0) < 1
