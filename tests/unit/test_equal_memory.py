"""Equal memory: what is asked, how rates follow the batch, and that its rows never join those of equal batches."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from tpmebench.bench.guard.compare import compare as compare_studies
from tpmebench.bench.guard.pairing import pair_up, settings
from tpmebench.bench.planning.advice import Advice, Change, Room, advice_sentences, cache_sentences, highest_peak
from tpmebench.bench.planning.cards import find_card, read_limit
from tpmebench.bench.planning.largest import Fit
from tpmebench.bench.study.study import read_study
from tpmebench.bench.worker.rates import batch_factor, training_rates
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.errors import BenchError
from tpmebench.methods.method import LearningRates
from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.records import Memory, PhaseMemory, Record
from tpmebench.reports.tables.settings import settings_table, warnings

Make = Callable[..., Record]


def cell(**training: object) -> Cell:
    chosen = Training.model_validate({"batch": 32, **training})
    return Cell(method="fft", dataset="d", backbones=BackboneChoice(text="t", image=None), training=chosen)


def test_a_cell_without_a_memory_is_the_cell_that_it_was():
    assert "memory" not in cell().identity()["training"]
    assert cell().id != cell(memory="2GiB").id != cell(memory="3GiB").id
    assert cell(memory="2048MiB").id == cell(memory="2GiB").id


def test_a_memory_is_a_size_with_its_unit():
    assert read_study({}, {}, ["training.memory=2GiB"]).training.memory == "2GiB"
    with pytest.raises(BenchError, match=r"--set training\.memory.*give a size with its unit"):
        read_study({}, {}, ["training.memory=2GB/s"])
    with pytest.raises(BenchError, match="--memory-limit '24': give a size with its unit"):
        read_limit("24")


def test_rates_grow_with_the_square_root_of_the_batch():
    assert batch_factor(128, 32) == 2.0
    assert batch_factor(8, 32) == 0.5
    assert batch_factor(32, 32) == 1.0
    encoder = nn.Linear(2, 2)
    own = LearningRates({"all": (list(encoder.parameters()), 1e-4)}, 2e-4)
    scaled = training_rates(own, cell(learning_rate_scale=3.0), encoder, batch_factor(128, 32))
    assert (scaled.groups["all"][1], scaled.head) == (pytest.approx(6e-4), pytest.approx(12e-4))
    given = cell().model_copy(update={"rates": {"lr": 1e-3, "head_lr": 1e-2}})
    scaled = training_rates(own, given, encoder, batch_factor(128, 32))
    assert (scaled.groups["all"][1], scaled.head) == (pytest.approx(2e-3), pytest.approx(2e-2))


def in_memory(record: Record, batch: int) -> Record:
    training = record.cell.training.model_copy(update={"memory": "64MiB"})
    changes = {"cell": record.cell.model_copy(update={"training": training}), "batch": batch, "planned_peak": 2**26 - 5}
    return record.model_copy(update=changes | {"cell_id": changes["cell"].id})  # pyright: ignore[reportAttributeAccessIssue]


def test_equal_batches_and_equal_memory_are_two_tables(make_record: Make):
    equal = [make_record("fft"), make_record("lora")]
    filled = [in_memory(record, 100 + number) for number, record in enumerate(equal)]
    batches, memory = sorted(compare([Result(each) for each in equal + filled]), key=lambda each: each.memory)
    assert {result.record.cell_id for result in memory.results} == {record.cell_id for record in filled}
    assert "equal batch" in batches.title and "equal memory 64MiB" in memory.title
    assert any(line.startswith("Equal memory, not equal batches") for line in warnings(memory))
    assert not any("atch sizes differ" in line for line in warnings(memory))
    rows = settings_table(memory).frame["value"]
    assert rows["equal memory"] == "64MiB" and "fft: 100" in rows["batch, in effect"] and rows["planned peak"]
    assert "equal memory" not in settings_table(batches).frame.index


def test_a_report_of_equal_memory_alone_is_headed_so(make_record: Make):
    [alone] = compare([Result(in_memory(make_record("fft"), 100))])
    assert "equal memory 64MiB" in alone.title
    [usual] = compare([Result(make_record("fft"))])
    assert "equal" not in usual.title


def test_studies_of_equal_batches_and_of_equal_memory_are_not_compared(make_record: Make, tmp_path: Path):
    record = make_record("fft")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    record.save(tmp_path / "a")
    in_memory(record, 100).save(tmp_path / "b")
    with pytest.raises(BenchError, match=r"equal batches.*equal memory \(64MiB\): these are never compared"):
        compare_studies(tmp_path / "a", tmp_path / "b")


def test_cells_of_one_memory_pair_with_none_of_equal_batches(make_record: Make):
    record = make_record("fft")
    ours, theirs = settings(record.cell), settings(in_memory(record, 100).cell)
    older = {name: value for name, value in ours.items() if name != "training.memory"}  # of before there was one
    assert pair_up([ours], [theirs]) == [] == pair_up([older], [theirs])
    assert pair_up([older], [ours]) == [(0, 0)]


def test_the_room_of_a_card_is_less_its_allowance_and_a_limit_bounds_it():
    card = find_card("t4")
    assert Room.of(None, None) is None
    assert Room.of(None, "1GiB") == Room(2**30, "1GiB")
    whole, limited = Room.of(card, None), Room.of(card, "1GiB")
    assert whole and whole.bytes == 16 * 10**9 - card.allowance and card.name in str(whole)
    assert limited and limited.bytes == 2**30 - card.allowance and limited.allowance == card.allowance


def test_the_highest_peak_is_that_of_any_phase():
    training, evaluation, build = (PhaseMemory(tensors=size) for size in (5, 9, 7))
    memory = Memory(origin="cpu-tensors", training=training, evaluation=evaluation, cache_build=build)
    assert highest_peak(memory) == 9


def test_advice_is_a_few_sentences():
    room = Room(2**30, "1GiB")
    fft = Advice("my-fft", 32, 500, 2**31, 100, Fit(12, 2**30), {"gradient checkpointing": Change(2**29, 130)})
    cached = Advice("iisan-cached", 32, 500, 2**25, 10, Fit(500, 2**28), {})
    large = Advice("large", 32, 500, 2**33, 10, Fit(0, 2**32), {})
    lines = advice_sentences(room, [fft, cached, large])
    assert lines == [
        "iisan-cached fits 1GiB (1.00 GiB for tensors) at its batch; too large: my-fft (2.00 GiB), large (8.00 GiB).",
        "Largest batches that fit, in users: my-fft 12.",
        "All users of an epoch (500) fit in one batch: iisan-cached.",
        "Not even batches of 2 users, the least that have negatives, fit: large (4.00 GiB).",
        "With gradient checkpointing: my-fft 2.00 GiB → 512 MiB (−75%, +30% operations) and then fits.",
    ]


def test_a_cache_pays_by_operations_where_no_time_is_known():
    assert cache_sentences({("iisan-cached", "iisan"): 2.0}) == [
        "By operations the cache of iisan-cached has paid for itself at the end of epoch 2, against iisan."
    ]
