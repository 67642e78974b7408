"""Feature caches are built in a process of their own, measured once, and every cell that reads them says the same."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cells import trained

from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.cache_build import _judge, build_apart
from tpmebench.bench.worker.places import Places
from tpmebench.cell import BackboneChoice, Cell
from tpmebench.errors import BenchError
from tpmebench.methods.features.cache import Entry, features_directory, read_entry
from tpmebench.reports.records import PhaseMemory

Built = tuple[TrainedCell, TrainedCell, list[Entry], list[str]]


def cell(**changed: Any) -> Cell:
    micro = BackboneChoice(text="micro", image="micro", image_side=32)
    return Cell.model_validate(
        {"method": "frozen-cached", "dataset": "bazaar:items=60,users=20", "backbones": micro} | changed
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A cell that found no cache, one that came after it, the entries, and what was told meanwhile."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TPMEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        apart = partial(build_apart, machine="A machine, 2 threads", beside=7)
        first = trained(cell(modalities="text"), lambda name, *_: told.append(name), apart)
        second = trained(cell(modalities="text", seed=3), apart=build_apart)
        folders = [path for path in features_directory().iterdir() if (path / "entry.json").exists()]
        entries = [entry for folder in folders if (entry := read_entry(folder)) is not None]
    return first, second, entries, told


def test_what_building_took_stands_in_the_entry(built: Built):
    _, _, [entry], told = built
    assert entry.memory["tensors"] > 0
    assert entry.memory["rss"] > entry.memory["tensors"]
    assert "allocated" not in entry.memory
    assert entry.seconds > 0
    assert entry.built_by.startswith("frozen-cached, seed 0, on ")
    assert (entry.machine, entry.beside) == ("A machine, 2 threads", 7)
    assert "caching text features" in told


def test_every_cell_that_reads_an_entry_reports_the_same_cost(
    built: Built,
):
    first, second, [entry], _ = built
    assert first.cache is not None and second.cache is not None
    assert (first.cache.reused, second.cache.reused) == (False, True)
    for use in (first.cache, second.cache):
        assert use.memory == PhaseMemory.model_validate(entry.memory)
        assert (use.seconds, use.built_by) == (entry.seconds, entry.built_by)
        assert (use.machine, use.beside) == ("A machine, 2 threads", 7), "where it was built, whoever reads it"


def test_an_entry_of_before_says_nothing_of_memory(tmp_path: Path, small_cell: Callable[..., TrainedCell]):
    """Built in the cell's own process, where nothing measures it."""
    use = small_cell("frozen-cached").cache
    assert use is not None and use.memory is None and use.built_by == use.machine == "" and use.beside == 0


def test_a_mistake_that_the_builder_meets_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))
    with pytest.raises(BenchError, match="no-such-folder"):
        lost = cell(dataset=str(tmp_path / "no-such-folder"))
        build_apart(lost, Places.of(lost), "text", lambda *_: None)


@pytest.mark.parametrize(
    ("failure", "code", "for_memory", "kind", "message"),
    [
        ({"status": "oom", "message": "MemoryError: 3 GB"}, 1, False, MemoryError, "3 GB"),
        ({"status": "crashed", "message": "ValueError: no"}, 1, False, RuntimeError, "ValueError: no"),
        (None, -signal.SIGKILL, True, MemoryError, "text features were cached"),
        (None, -signal.SIGSEGV, False, RuntimeError, "was killed by SIGSEGV"),
        (None, 3, False, RuntimeError, "ended with status 3"),
    ],
)
def test_whatever_ends_the_builder_ends_the_cell_with_its_cause(
    failure: dict[str, str] | None, code: int, for_memory: bool, kind: type[Exception], message: str
):
    with pytest.raises(kind, match=message):
        _judge(failure, code, "text", for_memory)


def test_of_several_towers_the_higher_peak_counts():
    found = PhaseMemory(tensors=3, rss=9).higher(PhaseMemory(tensors=5, rss=7, allocated=1))
    assert found == PhaseMemory(tensors=5, rss=9, allocated=1)
