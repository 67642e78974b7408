"""The speed table against figures worked out by hand."""

import json
from pathlib import Path

import pytest

from tpmebench.cell import Training
from tpmebench.reports.records import Compute, Epoch, Record
from tpmebench.reports.speed import Rates, floor_seconds, kept_markdown, main, markdown, scale_table, speed_table


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


def test_benchmarks_stand_beside_their_floors(
    tmp_path: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    study = {"what": "a study of 4 cells", "floor": "their epochs", "floor_seconds": 6.0, "cells": 4}
    study |= {"between": 0.4567, "between_what": "of these, from one to the next"}
    benchmarks = [
        {"extra_info": {"parameters": 5}, "stats": {"min": 1.0}},
        {"extra_info": {"what": "a ranking", "floor": "its products", "floor_seconds": 0.5}, "stats": {"min": 1.25}},
        {"extra_info": {"what": "a start"}, "stats": {"min": 0.012}},
        {"extra_info": study, "stats": {"min": 8.0}},
    ]
    about = {"machine_info": {"cpu": {"brand_raw": "a CPU", "count": 2}}, "commit_info": {"id": "0123456789"}}
    file = tmp_path / "perf.json"
    file.write_text(json.dumps({"benchmarks": benchmarks, "datetime": "2026-01-02T03:04:05", **about}))
    assert scale_table(file).to_numpy().tolist() == [
        ["a ranking", "1.25", "0.5 s: its products", "2.50", "–"],
        ["a start", "0.012", "–", "–", "–"],
        ["a study of 4 cells", "8", "6 s: their epochs", "1.33", "0.50"],
        ["of these, from one to the next", "0.457", "–", "–", "–"],
    ]
    (tmp_path / "study" / "records").mkdir(parents=True)
    record.save(tmp_path / "study")
    main([tmp_path / "study", file])
    printed = capsys.readouterr().out
    assert "| fft | unique | 4.000 |" in printed
    assert printed.endswith("a CPU, 2 cores, commit 0123456, 2026-01-02.\n")


def test_what_a_script_kept_becomes_a_table_with_its_machine(tmp_path: Path) -> None:
    about = {"cpu": "a CPU", "threads": 1, "torch": "2.13", "commit": "0123456789", "dirty": False}
    kept = {"about": about | {"when": "2026-01-02T03:04"}, "headings": ["what", "s_1"], "rows": [["a | pass", "1.5"]]}
    file = tmp_path / "kept.json"
    file.write_text(json.dumps(kept))
    lines = "| what | s\\_1 |\n| --- | --- |\n| a \\| pass | 1.5 |\n\n"
    assert kept_markdown(file) == f"{lines}a CPU, 1 thread, torch 2.13, commit 0123456, 2026-01-02."
    file.write_text(json.dumps(kept | {"about": kept["about"] | {"dirty": True}}))
    assert "commit 0123456, changed, 2026-01-02." in kept_markdown(file)
