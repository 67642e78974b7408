"""The feature cache on a toy tower: building, continuing, verifying, and what its key covers."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tpmebench.errors import BenchError
from tpmebench.files import file_digest, read_json
from tpmebench.methods.backbones.inspection import inspect
from tpmebench.methods.backbones.preprocessing import TokenTable
from tpmebench.methods.backbones.tower import Tower, TowerShape
from tpmebench.methods.backbones.trial import Frame, Items
from tpmebench.methods.features import build as feature_build
from tpmebench.methods.features import cache as cache_module
from tpmebench.methods.features import encoding
from tpmebench.methods.features.build import BuildJob, ensure_features
from tpmebench.methods.features.cache import CacheKey, FeatureCache, open_features, read_entry, verify
from tpmebench.methods.features.content import CachedContent, RawContent, joined, read_in_order
from tpmebench.ownership import MARKER

ITEMS, HIDDEN, DEPTH = 40, 6, 3
LEVELS = (0, 1, 3)
KEY = CacheKey("toy", "text", "weights-1", LEVELS, "cls", "30 tokens", "titles-1", "float32")


class Layer(nn.Module):
    """Mixes each token with the mean of its title."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(0.5)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        mean = (hidden * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        return hidden + self.dropout(self.linear(hidden + mean).tanh())


class Toy(nn.Module):
    """A small encoder with the interface of transformers' models. Counts its runs; stops at `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))
        self.runs, self.fails_at = 0, fails_at

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        self.runs += 1
        if self.runs == self.fails_at:
            raise KeyboardInterrupt
        hidden = self.embedding(input_ids)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask[..., None].float())
        return SimpleNamespace(last_hidden_state=hidden)


def make_tower(pooling: Any = "cls", fails_at: int | None = None) -> Tower:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen = inspect(Toy(), Items.titles(Frame([1], [], [9, 4, 12, 7, 3, 11, 6, 14], 0, "cls")))
        torch.manual_seed(0)
        return Tower(Toy(fails_at), TowerShape.of(seen, "text", pooling), ([0.5] * 3, [0.5] * 3), seen)


def make_content() -> RawContent:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, ITEMS + 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(2, 50, offsets[-1]).astype(np.int32)
    ids[offsets[:-1]] = 1  # [CLS]
    return RawContent(ITEMS, TokenTable(ids, offsets, 0, "titles"), None, "titles")


def job(key: CacheKey = KEY, tower: Callable[[], Tower] = make_tower) -> BuildJob:
    return BuildJob(key, tower, make_content(), torch.device("cpu"), lambda done, total: None)


def test_a_full_disk_is_an_error_before_anything_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows written through a memory map would end the process instead."""

    def full(handle: int, start: int, length: int) -> None:
        assert (start, length) == (0, os.fstat(handle).st_size) and length > 0
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(feature_build.os, "posix_fallocate", full)
    tower = make_tower()
    with pytest.raises(OSError, match="no space left"):
        ensure_features(job(tower=lambda: tower))
    assert isinstance(tower.model, Toy) and tower.model.runs <= 1, "but for the one state that all items share"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and batches of few tokens so that a build has many."""
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(encoding, "_TOKENS_PER_BATCH", 24)
    return tmp_path / "features"


def direct(items: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return make_tower().eval().states(make_content().gather(items), LEVELS)


def test_states_of_every_item_padding_included() -> None:
    cache, found = ensure_features(job())
    assert not found
    items = torch.arange(ITEMS + 1)
    torch.testing.assert_close(cache.gather(items), direct(items))
    some = torch.tensor([7, 3, 7, 0])
    content = CachedContent(ITEMS, {"text": cache})
    states = content.gather(some).states
    assert states is not None
    torch.testing.assert_close(states["text"], direct(some))
    of_two = content.gather(some).rows(torch.tensor([1, 3])).states
    assert of_two is not None
    torch.testing.assert_close(of_two["text"], direct(torch.tensor([3, 0])))
    assert content.order().tolist() == list(range(1, ITEMS + 1))


WHOLE = replace(KEY, levels=(0, 2), pooling="", positions="all")


def test_states_at_all_positions_are_those_of_each_token() -> None:
    cache, _ = ensure_features(job(WHOLE))
    lengths = make_content().tokens.lengths  # type: ignore[union-attr]
    assert cache.states.shape == (lengths.sum(), 2, HIDDEN)
    assert cache.nbytes == lengths.sum() * 2 * HIDDEN * 4 + (ITEMS + 2) * 8
    some = torch.tensor([7, 3, 7, 0])
    inputs, found = make_content().gather(some), cache.gather_whole(some)
    assert inputs.text is not None and torch.equal(found.mask, inputs.text.mask)
    with torch.no_grad():
        live = make_tower().eval().sequences(inputs, (0, 2))
    for level, state in zip(found.levels, live, strict=True):
        torch.testing.assert_close(level, state * found.mask[..., None])
    content = joined(ITEMS, {}, {}, {"text": cache})
    assert content.gather(some).rows(torch.tensor([1, 3])).sequences is not None
    assert sorted(content.order().tolist()) == list(range(1, ITEMS + 1))
    assert (np.diff(lengths[content.order()]) <= 0).all()


def test_a_pass_over_all_items_has_the_cache_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row here and a row there in training, in the order of the file when all items are encoded."""
    advice = list[str]()
    monkeypatch.setattr(cache_module, "_advise", lambda pages, how: advice.append(how))
    cache, _ = ensure_features(job())
    content = CachedContent(ITEMS, {"text": cache})
    assert advice == ["MADV_RANDOM"]
    with pytest.raises(ZeroDivisionError), read_in_order(content):
        assert advice == ["MADV_RANDOM", "MADV_NORMAL"]
        torch.testing.assert_close(
            content.gather(torch.arange(ITEMS + 1)).states, {"text": direct(torch.arange(ITEMS + 1))}
        )
        raise ZeroDivisionError
    assert advice == ["MADV_RANDOM", "MADV_NORMAL", "MADV_RANDOM"]
    with read_in_order(make_content()):
        assert len(advice) == 3


def test_a_pass_over_all_items_has_states_of_all_positions_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside raw pictures too; pooled states beside them are read a row here and a row there."""
    whole, pooled = ensure_features(job(WHOLE))[0], ensure_features(job())[0]
    asked = list[tuple[object, str]]()
    monkeypatch.setattr(cache_module, "_advise", lambda pages, how: asked.append((pages, how)))
    raw = {"image": RawContent(ITEMS, None, np.zeros((ITEMS + 1, 3, 2, 2), np.uint8), "")}
    for content in (joined(ITEMS, {}, {"image": pooled}, {"text": whole}), joined(ITEMS, raw, {}, {"text": whole})):
        with read_in_order(content):
            assert asked == [(whole.pages, "MADV_NORMAL")]
        assert asked.pop() == (whole.pages, "MADV_RANDOM")
        asked.clear()


def test_a_build_at_all_positions_is_gone_on_from() -> None:
    def stops() -> Tower:
        return make_tower(fails_at=5)

    with pytest.raises(KeyboardInterrupt):
        ensure_features(job(WHOLE, stops))
    continued, _ = ensure_features(job(WHOLE))
    items = torch.arange(ITEMS + 1)
    with torch.no_grad():
        live = make_tower().eval().sequences(make_content().gather(items), (0, 2))
    found = continued.gather_whole(items)
    torch.testing.assert_close(found.levels[1], live[1] * found.mask[..., None])


def test_entries_of_pooled_states_are_called_as_before_there_were_others() -> None:
    assert KEY.name == "eedde387e7dbca64ab5d058728e708e7"
    assert WHOLE.name != replace(WHOLE, positions="pooled").name


def test_the_shared_first_state_is_stored_once() -> None:
    cache, _ = ensure_features(job())
    assert cache.shared is not None
    assert cache.states.shape == (ITEMS + 1, 2, HIDDEN)
    assert cache.nbytes == (ITEMS + 1) * 2 * HIDDEN * 4 + HIDDEN * 4
    assert [level.shape[0] for level in cache.gather(torch.tensor([4, 5]))] == [1, 2, 2]


def test_at_the_last_token_every_item_has_a_first_state_of_its_own() -> None:
    cache, _ = ensure_features(job(replace(KEY, pooling="last"), lambda: make_tower("last")))
    assert cache.shared is None
    assert cache.states.shape == (ITEMS + 1, 3, HIDDEN)
    assert not (cache.folder / "shared.npy").exists()
    first = cache.gather(torch.arange(1, ITEMS + 1))[0]
    assert len(first.unique(dim=0)) > ITEMS // 4


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the kernel does not say how a file is mapped")
def test_a_row_is_read_without_what_follows_it() -> None:
    cache, _ = ensure_features(job())
    mapped = Path("/proc/self/smaps").read_text(encoding="utf-8").partition(str(cache.folder / "states.npy"))[2]
    flags = next(line.split() for line in mapped.splitlines() if line.startswith("VmFlags:"))
    assert "rr" in flags  # random reads: no reading ahead


def test_a_second_use_runs_no_tower() -> None:
    built, _ = ensure_features(job())

    def no_tower() -> Tower:
        raise AssertionError("the entry is complete")

    cache, found = ensure_features(job(tower=no_tower))
    assert found
    assert cache.built.seconds == built.built.seconds > 0
    torch.testing.assert_close(cache.gather(torch.tensor([1])), direct(torch.tensor([1])))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_stored_as_asked(dtype: Any) -> None:
    """What a build gives and what a later cell opens."""
    key, wanted = replace(KEY, dtype=dtype), getattr(torch, dtype)
    cache, _ = ensure_features(job(key))
    for opened in (cache, ensure_features(job(key))[0]):
        found = opened.gather(torch.arange(ITEMS + 1))
        assert {level.dtype for level in found} == {wanted}
        assert opened.states.element_size() == 2
        for half, full in zip(found, direct(torch.arange(ITEMS + 1)), strict=True):
            assert torch.equal(half, full.to(wanted).expand_as(half))


def test_all_positions_in_bfloat16_are_those_of_float32(folder: Path) -> None:
    some = torch.tensor([7, 3, 7, 0])
    kept, full = (ensure_features(job(replace(WHOLE, dtype=dtype)))[0] for dtype in ("bfloat16", "float32"))
    for half, level in zip(kept.gather_whole(some).levels, full.gather_whole(some).levels, strict=True):
        assert torch.equal(half, level.bfloat16())


def test_the_tower_runs_in_the_precision_of_the_key() -> None:
    cache, _ = ensure_features(job(replace(KEY, precision="bf16")))
    items = torch.arange(ITEMS + 1)
    with torch.autocast("cpu", torch.bfloat16):
        expected = direct(items)
    torch.testing.assert_close(cache.gather(items), [state.float() for state in expected])
    assert all((half - full).abs().max() > 1e-4 for half, full in zip(expected[1:], direct(items)[1:], strict=True))


def test_states_that_overflow_are_an_error(folder: Path) -> None:
    def huge() -> Tower:
        tower = make_tower()
        nn.init.constant_(tower.model.get_submodule("embedding").weight, 1e6)  # type: ignore[arg-type]
        return tower

    def endless() -> Tower:
        tower = make_tower()
        nn.init.constant_(tower.model.get_submodule("embedding").weight, torch.inf)  # type: ignore[arg-type]
        return tower

    with pytest.raises(BenchError, match="overflow float16; use cache_dtype float32"):
        ensure_features(job(replace(KEY, dtype="float16"), huge))
    with pytest.raises(BenchError, match=r"text backbone 'toy': states are not finite$"):
        ensure_features(job(replace(KEY, dtype="bfloat16"), endless))
    assert read_entry(folder / replace(KEY, dtype="float16").name) is None


@pytest.mark.parametrize("pooling", ["cls", "last"])
@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_an_interrupted_build_continues_to_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pooling: Any, save_every: float
) -> None:
    """With a note after every batch, and with none at all; stopped at several places one after another."""
    monkeypatch.setattr(feature_build, "_SECONDS_BETWEEN_SAVES", save_every)
    key = replace(KEY, pooling=pooling)
    undisturbed, _ = ensure_features(job(replace(key, content="another"), lambda: make_tower(pooling)))
    runs = [1, 3, 2, 4]
    for fails_at in runs:
        with pytest.raises(KeyboardInterrupt):
            ensure_features(job(key, lambda fails_at=fails_at: make_tower(pooling, fails_at)))
        assert open_features(folder / key.name) is None
    last = make_tower(pooling)
    cache, found = ensure_features(job(key, lambda: last))
    assert not found
    for name in ["states.npy"] + ["shared.npy"] * (pooling == "cls"):
        assert file_digest(cache.folder / name) == file_digest(undisturbed.folder / name)
    assert sorted(path.name for path in folder.glob("*.partial")) == []
    batches = len(encoding.batches_of(make_content()))
    done = sum(count - 1 - (pooling == "cls") for count in runs if count > 1) if save_every == 0 else 0
    assert last.model.runs == batches - done + (pooling == "cls")


def test_the_seconds_of_an_interrupted_build_add_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock on which each run of the tower takes a second; what isn't noted is run again, and counts once."""
    clock = 0.0

    def tick(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal clock
        clock += 1.0

    def timed(fails_at: int | None = None) -> Tower:
        tower = make_tower(fails_at=fails_at)
        tower.model.register_forward_hook(tick)
        return tower

    monkeypatch.setattr(feature_build, "time", SimpleNamespace(monotonic=lambda: clock))
    monkeypatch.setattr(feature_build, "_SECONDS_BETWEEN_SAVES", 0.0)
    batches = len(encoding.batches_of(make_content()))
    undisturbed, _ = ensure_features(job(replace(KEY, content="another"), timed))
    assert undisturbed.built.seconds == batches + 1  # the shared first state is a run of its own
    for fails_at in (3, 4):
        with pytest.raises(KeyboardInterrupt):
            ensure_features(job(tower=lambda fails_at=fails_at: timed(fails_at)))
    cache, _ = ensure_features(job(tower=timed))
    assert cache.built.seconds == undisturbed.built.seconds


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    *[(name, harm) for name in ("states.npy", "shared.npy") for harm in (flip, cut, Path.unlink, replace_by_a_folder)],
    *[("entry.json", write(content)) for content in (b"", b"{", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000)],
    ("entry.json", write(b'{"sha256": {}, "seconds": 1.0}')),
    ("entry.json", write(b'{"sha256": {"../states.npy": "0"}, "seconds": 1.0}')),
    ("entry.json", cut),
    ("entry.json", replace_by_a_folder),
]


@pytest.mark.parametrize(("name", "harm"), DAMAGE)
def test_a_damaged_entry_is_named_and_built_anew(name: str, harm: Callable[[Path], object]) -> None:
    cache, _ = ensure_features(job())
    before = {array: (cache.folder / array).read_bytes() for array in ("states.npy", "shared.npy")}
    harm(cache.folder / name)
    assert [line for line in verify(cache.folder) if f"{cache.folder}/" in line and "remove the folder" in line]
    with pytest.warns(UserWarning, match="the features are computed again") as told:
        again, found = ensure_features(job())
    assert not found and str(cache.folder) in str(told[0].message)
    assert {array: (again.folder / array).read_bytes() for array in before} == before
    assert verify(cache.folder) == []


@pytest.mark.parametrize("name", ["states.npy", "entry.json"])
def test_a_damaged_entry_that_is_not_ours_is_named_with_the_remedy_and_stays(name: str) -> None:
    cache, _ = ensure_features(job())
    (cache.folder / MARKER).unlink()
    cut(cache.folder / name)
    with pytest.raises(BenchError, match=rf"{cache.folder / name}: .*remove the folder {cache.folder} and"):
        ensure_features(job())
    assert (cache.folder / name).exists()


NOTES = (
    b"",
    b"{",
    b"\xff",
    b"[]",
    b'{"batches": "x"}',
    b'{"batches": -1}',
    b'{"batches": 100000}',
    b'{"seconds": NaN}',
)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        *[("progress.json", write(content)) for content in NOTES],
        ("progress.json", replace_by_a_folder),
        ("states.npy", cut),
        ("states.npy", replace_by_a_folder),
        ("states.npy", lambda path: np.save(path, np.zeros((2, 2)))),
    ],
)
def test_a_partial_build_that_is_damaged_starts_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, harm: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(feature_build, "_SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        ensure_features(job(tower=lambda: make_tower(fails_at=5)))
    assert (folder / f"{KEY.name}.partial" / "progress.json").exists()
    harm(folder / f"{KEY.name}.partial" / name)
    last = make_tower()
    cache, _ = ensure_features(job(tower=lambda: last))
    torch.testing.assert_close(cache.gather(torch.arange(ITEMS + 1)), direct(torch.arange(ITEMS + 1)))
    assert last.model.runs == len(encoding.batches_of(make_content())) + 1  # every batch, and the shared state


def test_an_entry_says_what_it_is() -> None:
    cache, _ = ensure_features(job())
    entry = read_json(cache.folder / "entry.json")
    assert {name: entry[name] for name in asdict(KEY)} == json.loads(json.dumps(asdict(KEY)))
    assert entry["created"].endswith("+00:00")
    assert sorted(path.name for path in cache.folder.iterdir()) == [
        ".tpmebench",
        "entry.json",
        "shared.npy",
        "states.npy",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"content": "titles-2"},
        {"weights": "weights-2"},
        {"levels": (0, 2, 3)},
        {"dtype": "float16"},
        {"pooling": "last"},
        {"preprocessing": "20 tokens"},
        {"precision": "bf16"},
        {"modality": "image"},
        {"version": -1},
    ],
)
def test_the_key_covers_everything_that_decides_the_states(change: dict[str, Any]) -> None:
    assert replace(KEY, **change).name != KEY.name
    assert replace(KEY, backbone="an alias").name == KEY.name, "what a model is called decides nothing"


def test_two_processes_build_an_entry_once(tmp_path: Path, folder: Path) -> None:
    """Both start at once on this very file; each says whether it found the entry, and whether its tower ran."""
    script = (
        "import importlib.util, sys, time\n"
        "spec = importlib.util.spec_from_file_location('toy', sys.argv[1])\n"
        "toy = importlib.util.module_from_spec(spec); sys.modules['toy'] = toy; spec.loader.exec_module(toy)\n"
        "tower = toy.make_tower()\n"
        "print('ready', flush=True); input()\n"
        "cache, found = toy.ensure_features(toy.job(tower=lambda: time.sleep(0.3) or tower))\n"
        "print(found, tower.model.runs > 0, toy.file_digest(cache.folder / 'states.npy'))\n"
    )
    command = [sys.executable, "-c", script, __file__]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = sorted(process.communicate(timeout=120)[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    checksum = file_digest(folder / KEY.name / "states.npy")
    assert outputs == [["False", "True", checksum], ["True", "False", checksum]]


def test_another_process_is_asked_only_for_what_is_missing(folder: Path) -> None:
    asked: list[int] = []

    def apart() -> None:
        asked.append(1)
        ensure_features(job())

    for expected in (False, True):
        cache, found = ensure_features(replace(job(tower=lambda: pytest.fail("not in this process")), apart=apart))
        assert found is expected
        assert cache.folder == folder / KEY.name
    assert asked == [1]
    with pytest.raises(BenchError, match="gone as soon as it was built"):
        ensure_features(replace(job(replace(KEY, content="another")), apart=lambda: None))


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    ensure_features(replace(job(), progress=lambda done, total: told.append((done, total))))
    assert told[-1] == (ITEMS + 1, ITEMS + 1)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_batches_hold_every_row_once_and_waste_little() -> None:
    content = make_content()
    assert content.tokens is not None
    batches = encoding.batches_of(content)
    assert sorted(row for batch in batches for row in batch) == list(range(ITEMS + 1))
    lengths = content.tokens.lengths
    assert all(len(batch) * lengths[batch].max() <= 24 for batch in batches)
    assert all(lengths[batch].max() - lengths[batch].min() <= 2 for batch in batches[1:])
    pictures = RawContent(300, None, np.zeros((301, 3, 2, 2), np.uint8), "")
    assert [len(batch) for batch in encoding.batches_of(pictures)] == [101, 100, 100]


def test_reading_does_not_change_the_files() -> None:
    cache, _ = ensure_features(job())
    before = file_digest(cache.folder / "states.npy")
    cache.gather(torch.tensor([1]))[1].zero_()
    cache.states[:] = 0
    assert file_digest(cache.folder / "states.npy") == before
    again = open_features(cache.folder)
    assert isinstance(again, FeatureCache)
    assert again.states.abs().sum() > 0
