"""What a method costs once it is trained: operations, bytes and passes, and how a report shows them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from tpmebench.bench.meters.operations import count
from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker import use as using
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.content import CacheUse
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.step import Trainer, trainable_state
from tpmebench.bench.worker.use import count_use, sample_passes, spread
from tpmebench.energy import Energy
from tpmebench.methods.backbones.shipping import merged_size, size
from tpmebench.methods.features.cache import Built, FeatureCache
from tpmebench.methods.features.content import typical_items
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.measurements import Pass, Use
from tpmebench.reports.pages import costs
from tpmebench.reports.records import Record
from tpmebench.reports.tables.energy import energy_table
from tpmebench.reports.tables.table import Table
from tpmebench.reports.tables.use import use_table

Build = Callable[..., TrainedCell]


def evaluator_of(parts: TrainedCell) -> Evaluator:
    trainer, rule = Trainer(parts), RankingRule(parts.cell.head.max_length)
    return Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)


def use_of(parts: TrainedCell) -> Use:
    return count_use(parts, evaluator_of(parts))


def held(module: torch.nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())


def test_bytes_of_a_whole_model_are_those_of_its_towers_and_all_above(small_cell: Build) -> None:
    parts = small_cell("fft")
    found, head = use_of(parts), held(parts.recommender.head)
    items = parts.dataset.catalogue.size
    assert found.items == items
    assert found.known_bytes == (items + 1) * parts.recommender.width * 4 + head
    assert found.new_bytes == held(parts.recommender)
    assert found.tower_operations is None


def test_an_adapter_that_can_be_merged_ships_as_its_tower(small_cell: Build) -> None:
    parts, whole = small_cell("lora"), small_cell("fft")
    assert use_of(parts).new_bytes == use_of(whole).new_bytes
    trained = sum(value.nbytes for value in trainable_state(parts.recommender.item_encoder).values())
    assert size(parts.recommender.item_encoder) > merged_size(parts.recommender.item_encoder) > trained


def test_a_bottleneck_ships_beside_its_tower(small_cell: Build) -> None:
    added, whole = use_of(small_cell("adapter")), use_of(small_cell("fft"))
    assert added.new_bytes is not None and whole.new_bytes is not None and added.new_bytes > whole.new_bytes
    assert added.known_bytes == whole.known_bytes


@pytest.mark.parametrize("kind", ["dora", "lily", "vblora"])
def test_only_what_depends_on_its_input_cannot_be_merged(small_cell: Build, kind: str) -> None:
    """`lily` routes each input; `tests/soak` would take all the others, which were tried once: they can."""
    parts = small_cell(kind)
    before = {name: value.clone() for name, value in parts.recommender.state_dict().items()}
    merged = use_of(parts).new_bytes == use_of(small_cell("fft")).new_bytes
    assert merged == (kind != "lily")
    after = parts.recommender.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items()), "a copy was merged"


def test_a_model_of_ids_can_embed_no_new_item(small_cell: Build) -> None:
    found = use_of(small_cell("sasrec-id"))
    assert (found.new_bytes, found.item_operations) == (None, 0)
    assert found.user_operations == use_of(small_cell("fft")).user_operations, "the head is the same for all"


@pytest.mark.parametrize("method", ["fft", "iisan-cached"])
def test_four_items_stand_for_all_as_they_are_encoded_alone(small_cell: Build, method: str) -> None:
    parts = small_cell(method)
    evaluator, found = evaluator_of(parts), use_of(parts).item_operations
    alone = [
        count(lambda item=item: evaluator.embeddings([torch.tensor([item])]))
        for item in range(1, parts.dataset.catalogue.size + 1, 3)
    ]
    assert found == pytest.approx(np.mean(alone), rel=0.05)
    assert found is not None and found > 0


def test_operations_of_a_user_are_those_of_ranking_many(small_cell: Build) -> None:
    parts = small_cell("fft")
    evaluator, users = evaluator_of(parts), parts.dataset.test
    table = evaluator.embeddings()
    assert use_of(parts).user_operations * len(users) == count(lambda: evaluator.ranks(users, table))  # type: ignore[operator]


def test_the_typical_items_reach_from_short_to_long(small_cell: Build) -> None:
    content = small_cell("fft").content
    lengths = [int(content.gather(item).text.mask.sum()) for item in typical_items(content)]  # type: ignore[union-attr]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]
    assert [len(item) for item in typical_items(content)] == [1] * 4


def cache(size: int | None, operations: int | None, energy: Energy | None) -> FeatureCache:
    built = Built(seconds=1.0, energy=energy, tower_bytes=size, tower_operations=operations)
    return FeatureCache(Path("nowhere"), torch.zeros(1), None, built)


def test_what_a_cached_method_leaves_out_is_counted_with_it(small_cell: Build) -> None:
    parts = small_cell("iisan-cached")
    use = CacheUse()
    for modality in ("text", "text", "image"):  # two entries of one tower, which is run once
        use.add(modality, cache(1000, 70, Energy(joules={"card": 1.0})), True)
    object.__setattr__(parts, "cache", use)
    alone = size(parts.recommender)
    found = use_of(parts)
    assert (found.tower_operations, found.new_bytes) == (140, alone + 2000)
    assert use.energy == Energy(joules={"card": 3.0})
    use.add("image", cache(None, None, None), True)
    found = use_of(parts)
    assert (found.tower_operations, found.new_bytes, use.energy) == (None, None, None), "an entry of before"


def test_counting_leaves_no_trace(small_cell: Build) -> None:
    parts = small_cell("lora")
    evaluator = evaluator_of(parts)
    torch.manual_seed(3)
    before = {name: value.clone() for name, value in parts.recommender.state_dict().items()}
    generator = torch.get_rng_state()
    count_use(parts, evaluator)
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(value, parts.recommender.state_dict()[name]) for name, value in before.items())


def test_every_evaluation_is_a_pass(small_cell: Build) -> None:
    parts = small_cell("sasrec-id", epochs=2)
    trainer = Trainer(parts)
    rule = RankingRule(parts.cell.head.max_length)
    evaluator = Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)
    progress = Fit(parts, trainer, evaluator, MemoryMeter(parts.device)).run(Progress(), lambda _: None)
    assert len(progress.passes) == len(progress.epochs) == 2
    for found, epoch in zip(progress.passes, progress.epochs, strict=True):
        assert (found.items, found.users) == (parts.dataset.catalogue.size, len(parts.dataset.valid))
        assert found.encoding + found.ranking == pytest.approx(epoch.evaluation)


def test_costs_alone_take_parts_of_an_evaluation(small_cell: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(using, "_SECONDS", 0.01)
    parts = small_cell("sasrec-id")
    found = sample_passes(evaluator_of(parts))
    assert len(found) == using.PASSES
    assert {(each.items, each.users) for each in found} == {(found[0].items, found[0].users)}
    assert 0 < found[0].items <= parts.dataset.catalogue.size and found[0].users <= len(parts.dataset.test)


@pytest.mark.parametrize(
    ("items", "sizes"),
    [(4, [1, 1, 1, 1]), (9, [3, 3, 3, 3]), (30, [6, 6, 6, 6, 2]), (10**6, [6] * 8 + [2])],
)
def test_a_part_of_the_catalogue_is_evenly_spread(items: int, sizes: list[int]) -> None:
    batches = torch.arange(50).split(6)
    chosen = spread(batches, items)
    assert [len(each) for each in chosen] == sizes
    firsts = [int(each[0]) for each in chosen]
    assert firsts == sorted(set(firsts))


USE = Use(
    items=2000,
    passes=[
        Pass(encoding=9.0, items=2000, ranking=9.0, users=100),
        Pass(encoding=2.0, items=2000, ranking=0.1, users=100, waited=0.0),
        Pass(encoding=4.0, items=2000, ranking=0.3, users=100, waited=0.0),
        Pass(encoding=90.0, items=2000, ranking=0.3, users=100, waited=40.0),
    ],
    item_operations=10_000_000,
    user_operations=2_000_000,
    known_bytes=500_000,
    new_bytes=8_000_000,
)


def measured(record: Record, **changes: object) -> Record:
    record = deepcopy(record)
    record.use = USE.model_copy(update=changes)
    return record


def compared(*records: Record) -> Comparison:
    [found] = compare([Result(record) for record in records])
    return found


def shown(table: Table | None, label: str) -> dict[str, str]:
    assert table is not None
    return {str(heading): str(table.texts.loc[label, heading]) for heading in table.texts.columns}


def test_passes_that_others_disturbed_are_no_part_of_it(make_record: Callable[..., Record]) -> None:
    frame = compared(measured(make_record("fft"))).methods
    assert (frame.loc["fft", "encoding"], frame.loc["fft", "ranking"]) == (3.0, pytest.approx(0.002))


def test_a_part_of_the_catalogue_stands_for_all_of_it(make_record: Callable[..., Record]) -> None:
    part = [Pass(encoding=1.0, items=500, ranking=0.1, users=50)] * 2
    assert compared(measured(make_record("fft"), passes=part)).methods.loc["fft", "encoding"] == 4.0


def test_the_table_tells_known_items_from_new_ones(make_record: Callable[..., Record]) -> None:
    whole = measured(make_record("fft"))
    cached = measured(make_record("iisan-cached"), tower_operations=90_000_000, new_bytes=12_000_000)
    before = measured(make_record("iisan"), new_bytes=None)
    table = use_table(compared(whole, cached, before, make_record("lora")))
    row = shown(table, "iisan-cached")
    assert row["catalogue (s)"] == "3.00" and row["catalogue incl. cache (s)"] == "24.5"
    assert row["a new item (MFLOP)"] == "100" and row["a user (ms)"] == "2.00"
    assert shown(table, "fft")["a new item (MFLOP)"] == "10.0"
    assert shown(table, "iisan")["for new items (MiB)"] == shown(table, "iisan")["a new item (MFLOP)"] == "–"
    assert shown(table, "lora")["catalogue (s)"] == "–"
    assert table is not None and table.notes[-1] == "Not measured by the version of the suite that ran it: lora."
    assert "all 2,000 items" in table.notes[0]


def test_without_a_cached_method_there_is_one_column_for_the_catalogue(make_record: Callable[..., Record]) -> None:
    table = use_table(compared(measured(make_record("fft"))))
    assert table is not None and "encoding_with_cache" not in [column.key for column in table.columns]
    assert not any("Incl. cache" in note for note in table.notes)


def test_a_report_of_old_records_says_that_neither_was_measured(make_record: Callable[..., Record]) -> None:
    comparison = compared(make_record("fft"), make_record("lora"))
    assert use_table(comparison) is None and energy_table(comparison) is None
    text = " ".join(costs(comparison, "fft").text)
    assert "once trained was not measured" in text
    assert "Energy of an epoch not measured: the records are of a version of the suite that asked no counter" in text


def with_energy(record: Record, joules: float, foreign: float = 0.0) -> Record:
    record = measured(record)
    record.environment.energy_counters = ["package-0"]
    record.environment.energy_unread = ["the card: its driver does not say what it uses"]
    for epoch in record.time.epochs:
        epoch.energy = Energy(joules={"package-0": joules}, foreign=foreign)
    return record


def test_energy_is_told_an_epoch_and_to_the_best_one(make_record: Callable[..., Record]) -> None:
    whole, cached = with_energy(make_record("fft"), 7200.0), with_energy(make_record("iisan-cached"), 3600.0)
    lost = with_energy(make_record("iisan"), 3600.0, foreign=0.5)
    cached.time.cache_energy = Energy(joules={"package-0": 1800.0}, foreign=0.0)
    table = energy_table(compared(whole, cached, lost))
    row = shown(table, "iisan-cached")
    best = cached.accuracy.best_epoch if cached.accuracy else 0
    assert row["processor, an epoch (Wh)"] == "1.00"
    assert row["processor, to the best epoch (Wh)"] == f"{best + 0.5:.1f}"
    assert row["processor, cache build (Wh)"] == "0.500"
    assert shown(table, "fft")["processor, an epoch (Wh)"] == "2.00"
    assert table is not None and "iisan" not in table.frame.index, "nothing is known of it"
    assert not any(column.key.startswith("card") for column in table.columns)
    notes = " ".join(table.notes)
    assert "no part of the processor's energy: iisan." in notes
    assert "Energy of an epoch not measured: the card: its driver does not say what it uses." in notes


def test_a_cache_of_unknown_energy_leaves_that_to_the_best_epoch_unknown(make_record: Callable[..., Record]) -> None:
    row = shown(energy_table(compared(with_energy(make_record("iisan-cached"), 3600.0))), "iisan-cached")
    assert row["processor, an epoch (Wh)"] == "1.00"
    assert "processor, to the best epoch (Wh)" not in row


def test_an_epoch_too_short_for_counters_is_named(make_record: Callable[..., Record]) -> None:
    record = with_energy(make_record("fft"), 3.0)
    for epoch in record.time.epochs:
        epoch.total = 0.01
    text = " ".join(costs(compared(record), "fft").text)
    assert "epochs of less than 1 s in all, of fft" in text


def test_a_mean_of_zero_passes_is_none(make_record: Callable[..., Record]) -> None:
    assert compared(measured(make_record("fft"), passes=[])).methods["encoding"].isna().all()
