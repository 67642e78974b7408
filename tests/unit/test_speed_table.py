"""The speed table against figures worked out by hand."""

import pytest

from tpmebench.cell import Training
from tpmebench.reports.records import Compute, Epoch, Record
from tpmebench.reports.speed import Rates, floor_seconds, markdown, speed_table


@pytest.fixture
def record(make_record) -> Record:
    """Two alike epochs of 500 users: 2 s, of which 0.2 s data, in 10 steps over 1,000 items."""
    made = make_record("fft", epochs=2)
    epoch = Epoch(loss=1, total=2, data=0.2, forward=0.6, backward=1, update=0.2, steps=10, users=500, items=1000)
    made.time.epochs = [epoch, epoch]
    made.compute = Compute(forward=4_000_000, backward=8_000_000, items=200, slots=704)
    made.parameters.trainable, made.parameters.total = 100, 350
    made.environment.matrix_rate, made.environment.copy_rate = 1e8, 1e5
    return made


def test_the_floor_is_operations_and_bytes_at_the_measured_rates(record: Record) -> None:
    products = 12_000_000 * (1000 / 200) / 1e8
    bytes_moved = 10 * 4 * (8 * 100 + 250)
    assert floor_seconds(record, Rates(1e8, 1e5)) == pytest.approx(products + bytes_moved / 1e5)


def test_without_a_rate_there_is_no_floor(record: Record) -> None:
    record.environment.copy_rate = 0.0
    assert floor_seconds(record, Rates(1e8, 0.0)) is None
    assert speed_table([record])["ratio to floor"].tolist() == ["–"]


def test_a_row_has_time_shares_and_ratios(record: Record) -> None:
    [row] = speed_table([record]).to_dict("records")
    assert row == {
        "method": "fft",
        "encode": "unique",
        "s / 1,000 users": 4.0,
        "products of 2048³": f"{4 / (2 * 2048**3 / 1e8):.1f}",
        "data": "10%",
        "forward": "30%",
        "backward": "50%",
        "update": "10%",
        "ratio to floor": f"{2 / 1.02:.2f}",
    }


def test_a_disturbed_measurement_of_the_machine_gives_no_floor_of_its_own(record: Record) -> None:
    disturbed = record.model_copy(deep=True)
    disturbed.environment.matrix_rate /= 2
    assert speed_table([disturbed, record])["ratio to floor"].nunique() == 1
    elsewhere = disturbed.model_copy(deep=True)
    elsewhere.environment.cpu = "another"
    assert speed_table([elsewhere, record])["ratio to floor"].nunique() == 2


def test_rows_stand_by_encoding_and_time_and_failed_ones_are_left_out(record: Record, make_record) -> None:
    slots = record.model_copy(deep=True)
    slots.cell.training = Training(encode="every-slot")
    quick = make_record("iisan-cached", epochs=2)
    table = speed_table([slots, record, quick, make_record("lora", status="oom"), make_record("popularity")])
    assert list(zip(table["method"], table["encode"], strict=True)) == [
        ("iisan-cached", "unique"),
        ("fft", "unique"),
        ("fft", "every-slot"),
    ]
    assert markdown([record]).splitlines()[2].startswith("| fft | unique | 4.000 |")
