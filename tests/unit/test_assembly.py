"""From a study to the parts of a cell: every setting arrives where it acts, through the real builder."""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tpmebench.bench.running import local as runner
from tpmebench.bench.running import session
from tpmebench.bench.running.request import Request
from tpmebench.bench.study.grid import plan
from tpmebench.bench.study.study import Study
from tpmebench.bench.worker import content, read
from tpmebench.bench.worker.build import TrainedCell, build_features
from tpmebench.bench.worker.job import Job
from tpmebench.bench.worker.places import Places
from tpmebench.bench.worker.preparation import prepare_process
from tpmebench.bench.worker.speedups import check_compiler, speed_up
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import SECTIONS, BackboneChoice, Cell, Training
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.features.build import BuildJob
from tpmebench.methods.features.cache import Built, CacheKey, FeatureCache
from tpmebench.methods.features.readers import TowerReader
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.inputs import ItemInputs, States
from tpmebench.methods.registry import find_method

Build = Callable[..., TrainedCell]

MICRO = {"text": "micro", "image": "micro", "image_side": 32}


def backbones(**changed: Any) -> BackboneChoice:
    return BackboneChoice.model_validate(MICRO | changed)


@dataclass
class Keys:
    """The keys that a cell asked the feature cache for, by modality."""

    text: CacheKey
    image: CacheKey


@pytest.fixture
def keys(small_cell: Build, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keys]:
    """The keys of a cell; nothing is built."""

    def of(method: str = "iisan-cached", **fields: Any) -> Keys:
        found: dict[str, CacheKey] = {}

        def ensure(job: BuildJob) -> tuple[FeatureCache, bool]:
            found[job.key.modality] = job.key
            states = torch.zeros(job.content.items + 1, len(job.key.levels), 8)
            return FeatureCache(Path("nowhere"), states, None, Built(seconds=0.0)), True

        monkeypatch.setattr(content, "ensure_features", ensure)
        small_cell(method, **fields)
        return Keys(found["text"], found["image"])

    return of


def differing(a: CacheKey, b: CacheKey) -> set[str]:
    one, other = asdict(a), asdict(b)
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize(
    ("changed", "text", "image"),
    [
        ({"method": "frozen-cached"}, {"levels"}, {"levels"}),
        ({"backbones": backbones(text_pooling="last")}, {"pooling"}, set()),
        ({"backbones": backbones(image_pooling="mean")}, set(), {"pooling"}),
        ({"backbones": backbones(text_length=7)}, {"preprocessing", "content"}, set()),
        ({"backbones": backbones(image_side=16)}, set(), {"content"}),
        ({"dataset": "bazaar:items=190,users=40"}, {"content"}, {"content"}),
        ({"cache_dtype": "float32"}, {"dtype"}, {"dtype"}),
        ({"precision": "bf16"}, {"precision"}, {"precision"}),
        ({"precision": "fp16"}, set(), set()),
        ({"seed": 3}, set(), set()),
        ({"batch": 3}, set(), set()),
    ],
)
def test_every_part_of_a_key_follows_the_cell(
    keys: Callable[..., Keys], changed: dict[str, Any], text: set[str], image: set[str]
):
    plain, other = keys(), keys(**changed)
    assert differing(plain.text, other.text) == text
    assert differing(plain.image, other.image) == image


def test_a_key_says_which_weights_and_what_was_read(keys: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch):
    plain = keys()
    assert (plain.text.backbone, plain.text.modality, plain.image.modality) == ("micro", "text", "image")
    assert len(plain.text.weights) > 8 and plain.text.weights != plain.image.weights
    assert plain.text.content and plain.image.content and plain.text.content != plain.image.content
    assert "30" in plain.text.preprocessing and plain.image.preprocessing != plain.text.preprocessing
    assert (plain.text.pooling, plain.text.dtype, plain.text.precision) == ("cls", "float16", "fp32")
    fingerprint = BackboneSource.fingerprint
    monkeypatch.setattr(BackboneSource, "fingerprint", lambda self: f"other {fingerprint(self)}")
    assert differing(plain.text, keys().text) == {"weights"}


def test_a_tower_without_a_fingerprint_is_known_by_its_weights(
    keys: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch
):
    """A hub id of which this machine knows no revision."""
    monkeypatch.setattr(BackboneSource, "fingerprint", lambda self: "")
    monkeypatch.setattr(BackboneSource, "weights_digest", lambda self: f"digest of {self.modality}")
    found = keys()
    assert (found.text.weights, found.image.weights) == ("digest of text", "digest of image")


def test_each_tower_is_cached_at_its_own_levels(keys: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch):
    levels = {"text": (0, 1), "image": (0, 2)}
    reads = {name: States(chosen) for name, chosen in levels.items()}
    monkeypatch.setattr(find_method("iisan-cached"), "reads", lambda *_: reads)
    found = keys()
    assert (found.text.levels, found.image.levels) == (levels["text"], levels["image"])


@pytest.mark.parametrize("modality", ["text", "image"])
def test_features_of_a_modality_are_built_from_its_own_content(
    small_cell: Build, monkeypatch: pytest.MonkeyPatch, modality: str
):
    jobs: list[BuildJob] = []
    monkeypatch.setattr(content, "ensure_features", jobs.append)
    cell = small_cell("frozen").cell.model_copy(update={"method": "frozen-cached"})
    build_features(cell, Places.of(cell), modality, lambda *_: None, meter=None)  # pyright: ignore[reportArgumentType]
    [job] = jobs
    assert job.key.modality == modality
    assert ((job.content.tokens is None), (job.content.pixels is None)) == (modality == "image", modality == "text")


def test_a_recommender_by_id_needs_no_tower_and_weights_are_chosen_for_both(
    small_cell: Build, monkeypatch: pytest.MonkeyPatch
):
    parts = small_cell("frozen", backbones=backbones(weights="random"))
    sources = read.backbone_sources(parts.cell, parts.dataset, Places.of(parts.cell))
    assert {name: source.weights for name, source in sources.items()} == {"text": "random", "image": "random"}
    monkeypatch.setattr(BackboneSource, "config", property(lambda self: pytest.fail("no tower is asked for")))
    monkeypatch.setattr(BackboneSource, "shape", property(lambda self: pytest.fail("no tower is asked for")))
    small_cell("sasrec-id")


@pytest.mark.parametrize("reused", ["text", "image"])
def test_what_caches_cost_is_summed_over_towers(small_cell: Build, monkeypatch: pytest.MonkeyPatch, reused: str):
    def ensure(job: BuildJob) -> tuple[FeatureCache, bool]:
        rows = 2 if job.key.modality == "text" else 3
        states = torch.zeros(rows, 1, 8, dtype=torch.float32)
        peaks = {"tensors": 10 * rows, "rss": 100 - rows}
        where = {"built_by": "whoever", "machine": f"Machine {rows}", "beside": 9 - rows}
        built = Built(seconds=0.5 * rows, memory=peaks, **where)
        cache = FeatureCache(Path("nowhere"), states, None, built)
        return cache, job.key.modality == reused

    monkeypatch.setattr(content, "ensure_features", ensure)
    use = small_cell("iisan-cached").cache
    assert use is not None
    assert (use.bytes, use.seconds, use.reused) == (160, 2.5, False)
    assert use.memory is not None and (use.memory.tensors, use.memory.rss, use.memory.allocated) == (30, 98, None)
    assert (use.built_by, use.machine, use.beside) == ("whoever", "Machine 2; Machine 3", 7)


def reader_of(parts: TrainedCell) -> TowerReader:
    encoder = parts.recommender.item_encoder
    assert isinstance(encoder, FusedEncoder) and isinstance(encoder.reader, TowerReader)
    return encoder.reader


def plan_of(parts: TrainedCell) -> Any:
    return parts.batches


def judge_of(parts: TrainedCell) -> Any:
    return parts.task.judge()


def head_of(parts: TrainedCell) -> Any:
    return parts.recommender.head


def narrowed(parts: TrainedCell) -> int:
    """Hooks that keep the last layer to one position."""
    tower = reader_of(parts).tower("text")
    return sum(len(module._forward_pre_hooks) for module in tower.layers[-1].modules())  # type: ignore[union-attr]


def compiled(parts: TrainedCell) -> bool:
    return reader_of(parts).tower("text").model._compiled_call_impl is not None


def rates_of(parts: TrainedCell) -> list[float]:
    return [group["lr"] for group in Trainer(parts).optimiser.param_groups]


def inputs_of(parts: TrainedCell) -> ItemInputs:
    return parts.content.gather(torch.arange(1, 60))


ARRIVALS: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    "batch": (5, lambda parts: (parts.batch, max(len(b.slots) for b in plan_of(parts).epoch(0))), (16, 16), (5, 5)),
    "precision": (
        "bf16",
        lambda parts: (Trainer(parts).autocast._enabled, Trainer(parts).autocast.fast_dtype),
        (False, torch.float32),
        (True, torch.bfloat16),
    ),
    "encode": ("every-slot", lambda parts: (plan_of(parts).encode, narrowed(parts) > 0), ("unique", True), None),
    "learning_rate_scale": (2.0, rates_of, None, None),
    "width": (16, lambda parts: head_of(parts).positions.embedding_dim, 64, 16),
    "dropout": (0.25, lambda parts: {m.p for m in head_of(parts).modules() if hasattr(m, "p")}, {0.1}, {0.25}),
    "max_length": (
        4,
        lambda parts: (
            plan_of(parts).length,
            head_of(parts).positions.num_embeddings,
            judge_of(parts).max_length,
        ),
        (10, 10, 10),
        (4, 4, 4),
    ),
    "repeat_targets": ("rank", lambda parts: judge_of(parts).repeat_targets, "miss", "rank"),
    "evaluated_users": (9, lambda parts: (len(parts.dataset.valid), len(parts.dataset.test)), (40, 40), (9, 9)),
    "compile": (True, compiled, False, True),
    "gradient_checkpointing": (
        True,
        lambda parts: reader_of(parts).tower("image").model.is_gradient_checkpointing,
        False,
        True,
    ),
}
ELSEWHERE = {
    "epochs": "test_fitting.py",
    "patience": "test_fitting.py",
    "memory": "test_equal_memory.py",
    "cache_dtype": "the cache's keys above",
    "cache_on": "test_on_card.py",
}


def test_every_field_of_the_protocol_has_a_test_of_where_it_acts():
    fields = {name for section in SECTIONS.values() for name in section.model_fields}
    assert ARRIVALS.keys() | ELSEWHERE.keys() == fields


@pytest.mark.parametrize("name", ARRIVALS)
def test_every_field_of_the_protocol_arrives_where_it_acts(small_cell: Build, name: str):
    value, look, before, after = ARRIVALS[name]
    plain, changed = look(small_cell("fft")), look(small_cell("fft", **{name: value}))
    if name == "learning_rate_scale":
        assert changed == pytest.approx([2 * rate for rate in plain]) and len(plain) > 1
        return
    assert plain == before
    assert changed == (("every-slot", False) if name == "encode" else after)


def test_a_batch_as_published_is_the_methods_own(small_cell: Build):
    for name in ("fft", "iisan"):
        parts = small_cell(name, batch="published")
        assert parts.batch == parts.method.published_batch == plan_of(parts).size


def test_precision_fp16_scales_the_loss(small_cell: Build, monkeypatch: pytest.MonkeyPatch):
    made: list[bool] = []
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: made.append(enabled))
    for precision in ("fp32", "bf16", "fp16"):
        Trainer(small_cell("sasrec-id", precision=precision))
    assert made == [False, False, True]


def test_the_sample_of_users_is_the_same_for_all_methods_and_both_splits(small_cell: Build):
    one, other = (small_cell(name, evaluated_users=9).dataset for name in ("sasrec-id", "popularity"))
    whole = small_cell("popularity").dataset
    for split in ("valid", "test"):
        assert np.array_equal(getattr(one, split).starts, getattr(other, split).starts)
        assert set(getattr(one, split).stops) <= set(getattr(whole, split).stops)
    assert np.array_equal(one.valid.starts, one.test.starts), "the same users in both"
    assert one.facts == {**whole.facts, "evaluated users": 9}


def test_the_seed_decides_batches_and_the_first_weights(small_cell: Build):
    first, same, other = (small_cell("sasrec-id", seed=seed) for seed in (1, 1, 2))

    def drawn(parts: TrainedCell) -> tuple[torch.Tensor, torch.Tensor]:
        return head_of(parts).positions.weight, next(iter(plan_of(parts).epoch(0))).slots

    assert all(torch.equal(a, b) for a, b in zip(drawn(first), drawn(same), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(drawn(first), drawn(other), strict=True))


def test_modalities_and_options_of_a_cell_arrive(small_cell: Build):
    assert small_cell("frozen", modalities="text").backbones.shapes.keys() == {"text"}
    assert small_cell("frozen", modalities="image").backbones.shapes.keys() == {"image"}
    small, large = (
        sum(p.numel() for p in reader_of(small_cell("lora", options={"r": r})).parameters() if p.requires_grad)
        for r in (2, 4)
    )
    assert large == 2 * small


def test_texts_are_cut_and_pictures_sized_as_the_cell_says(small_cell: Build):
    long = inputs_of(small_cell("frozen"))
    short = inputs_of(small_cell("frozen", backbones=backbones(text_length=4, image_side=16)))
    assert long.text is not None and short.text is not None and long.pixels is not None and short.pixels is not None
    assert long.text.ids.shape[1] > short.text.ids.shape[1] == 4
    assert (long.pixels.shape[-1], short.pixels.shape[-1]) == (32, 16)


def test_checkpointing_and_compilation_leave_frozen_towers_alone(small_cell: Build):
    parts = small_cell("frozen", gradient_checkpointing=True, compile=True)
    assert not reader_of(parts).tower("text").model.is_gradient_checkpointing
    assert not compiled(parts)


def test_the_side_network_is_compiled_and_the_head_on_a_card_alone(small_cell: Build):
    parts = small_cell("iisan", compile=True)
    side = parts.recommender.item_encoder.get_submodule("side")
    assert side._compiled_call_impl is not None
    assert head_of(parts)._compiled_call_impl is None
    speed_up(parts.recommender, parts.cell.training, torch.device("cuda"))
    assert head_of(parts)._compiled_call_impl is not None


def test_cuda_graphs_are_asked_for_and_what_they_give_is_copied(small_cell: Build, monkeypatch: pytest.MonkeyPatch):
    parts, asked, given = small_cell("iisan"), list[dict[str, Any]](), torch.zeros(2)

    def compile_(module: torch.nn.Module, **how: Any) -> None:
        asked.append(how)
        module._compiled_call_impl = lambda: (given, None)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    graphs = Training(compile="reduce-overhead", encode="every-slot")
    assert speed_up(parts.recommender, graphs, torch.device("cuda")) == {"compile"}
    assert len(asked) == 2, "side networks and head"
    assert all(each["options"]["triton.cudagraphs"] for each in asked)
    copied, nothing = head_of(parts)()
    assert torch.equal(copied, given) and copied.data_ptr() != given.data_ptr() and nothing is None


@pytest.mark.parametrize(
    ("training", "device", "said"),
    [
        ({"encode": "every-slot"}, "cpu", "runs on the CPU; give --set training"),
        ({"encode": "unique"}, "cuda", "encode=every-slot as well"),
    ],
)
def test_cuda_graphs_are_refused_where_none_would_serve_again(training: dict[str, Any], device: str, said: str):
    with pytest.raises(BenchError, match=said):
        check_compiler(Training(compile="reduce-overhead", **training), torch.device(device))
    check_compiler(Training(compile=True, **training), torch.device(device))


STUDY: dict[str, tuple[Any, Callable[[Cell], Any], Any]] = {
    "methods": (["lora"], lambda cell: cell.method, "lora"),
    "datasets": (["bazaar:items=50,users=9"], lambda cell: cell.dataset, "bazaar:items=50,users=9"),
    "text_backbone": ("bert-base", lambda cell: (cell.backbones.text, cell.backbones.image), ("bert-base", "micro")),
    "image_backbone": ("vit-base", lambda cell: (cell.backbones.text, cell.backbones.image), ("micro", "vit-base")),
    "text_pooling": ("last", lambda cell: cell.backbones.text_pooling, "last"),
    "image_pooling": ("mean", lambda cell: cell.backbones.image_pooling, "mean"),
    "text_length": (9, lambda cell: cell.backbones.text_length, 9),
    "image_side": (24, lambda cell: cell.backbones.image_side, 24),
    "modalities": ("text", lambda cell: (cell.modalities, cell.backbones.image), ("text", None)),
    "task": ("sequential", lambda cell: cell.task, "sequential"),  # another one: test_outside_task
    "missing_images": ("drop", lambda cell: cell.missing_images, "drop"),
    "device": ("cpu", lambda cell: cell.device, "cpu"),
    "threads": (3, lambda cell: cell.threads, 3),
    "deterministic": (True, lambda cell: cell.deterministic, True),
    "timeout": (7.0, lambda cell: cell.timeout, 7.0),
    "training": ({"batch": 3}, lambda cell: cell.training.batch, 3),
    "head": ({"width": 6}, lambda cell: cell.head.width, 6),
    "evaluation": ({"repeat_targets": "rank"}, lambda cell: cell.evaluation.repeat_targets, "rank"),
    "epochs": ({"fft": 5}, lambda cell: cell.training.epochs, 5),
    "backbones": (
        ["bert-base+micro"],
        lambda cell: (cell.backbones.text, cell.backbones.image),
        ("bert-base", "micro"),
    ),
    "costs": (True, lambda cell: cell.costs, True),
    "weights": ("random", lambda cell: cell.backbones.weights, "random"),
}
CELLS: dict[str, tuple[Any, Callable[[Cell], Any], list[Any]]] = {
    "references": (True, lambda cell: cell.method, ["fft", "popularity", "random", "content-knn", "sasrec-id"]),
    "seeds": (3, lambda cell: cell.seed, [0, 1, 2]),
    "repeats": (2, lambda cell: cell.repeat, [0, 1]),
    "options": ({"fft": {}}, lambda cell: cell.options, [{}]),
    "rates": ({"fft": {"head": 0.5}}, lambda cell: cell.rates, [{"head_lr": 0.5}]),
    "sweep": ({"*": {"lr": [0.5, 0.25]}}, lambda cell: cell.rates, [{"lr": 0.5}, {"lr": 0.25}]),
}
JOBS: dict[str, tuple[Any, Callable[[Job], Any]]] = {
    "name": ("mine", lambda job: job.record.study),
    "note": ("a short run", lambda job: job.record.note),
    "checkpoint_seconds": (7.0, lambda job: job.checkpoint_seconds),
    "repeat_disturbed": (2, lambda job: job.repeat_disturbed),
    "costs_seconds": (9.0, lambda job: job.costs_seconds),
    "test_every_epoch": (False, lambda job: job.test_every_epoch),
}


def test_every_field_of_a_study_has_a_test_of_where_it_arrives():
    elsewhere = {"points", "trackers"}  # test_tuning, test_trackers
    assert STUDY.keys() | CELLS.keys() | JOBS.keys() | elsewhere == set(Study.model_fields)


@pytest.mark.parametrize("name", STUDY)
def test_every_setting_of_a_study_arrives_in_its_cells(tmp_path: Path, name: str):
    value, look, expected = STUDY[name]
    study = Study.model_validate({"methods": ["fft"], "references": False, "device": "cpu", name: value})
    [planned] = plan(study, tmp_path, "1")
    assert look(planned.cell) == expected


@pytest.mark.parametrize("name", CELLS)
def test_what_multiplies_a_study_makes_its_cells(tmp_path: Path, name: str):
    value, look, expected = CELLS[name]
    study = Study.model_validate({"methods": ["fft"], "references": False, "device": "cpu", name: value})
    assert [look(planned.cell) for planned in plan(study, tmp_path, "1")] == expected


def test_options_are_their_methods_own(tmp_path: Path):
    study = Study(methods=["fft", "lora", "adapter"], references=False, options={"lora": {"r": 3}})
    cells = {planned.cell.method: planned.cell for planned in plan(study, tmp_path, "1")}
    assert cells["lora"].options["r"] == 3
    assert cells["adapter"].options == find_method("adapter")().chosen.model_dump()


class Process:
    """A cell's process that takes its job and dies."""

    jobs: ClassVar[list[Job]] = []

    def __init__(self, *_: object) -> None:
        pass

    def give(self, job: str) -> None:
        self.jobs.append(Job.model_validate_json(job))

    def events(self, *_: Any) -> list[dict[str, Any]]:
        return []

    def finish(self) -> int:
        return 1


@pytest.mark.parametrize("name", JOBS)
def test_every_setting_of_a_run_arrives_in_the_jobs_of_its_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(runner, "CellProcess", Process)
    monkeypatch.setattr(session, "conclude", lambda *_, **__: None)
    monkeypatch.setattr(Process, "jobs", [])
    value, look = JOBS[name]
    study = {"methods": ["popularity"], "references": False, "datasets": ["bazaar:items=60,users=20"], name: value}
    session.run_study(Study.model_validate(study), Request(tmp_path))
    [job] = Process.jobs
    assert look(job) == value


@pytest.mark.parametrize(("name", "value"), [("modalities", "text"), ("missing_images", "drop")])
def test_what_a_cell_says_of_its_data_arrives_in_their_reader(
    small_cell: Build, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    asked: list[dict[str, Any]] = []
    load = read.load_dataset
    monkeypatch.setattr(read, "load_dataset", lambda spec, **options: asked.append(options) or load(spec, **options))
    small_cell("sasrec-id", max_length=7, **{name: value})
    [options] = asked
    assert (options[name], options["max_length"]) == (value, 7)


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002 - libraries draw so


def test_a_process_is_prepared_as_the_cell_says(monkeypatch: pytest.MonkeyPatch):
    called: dict[str, Any] = {}
    monkeypatch.setattr(torch, "set_num_threads", lambda count: called.update(threads=count))
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: called.update(deterministic=on))
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", lambda on: called.update(plans=on))
    cell = Cell(method="fft", dataset="bazaar", backbones=backbones(), seed=4, threads=3, deterministic=True)
    found = []
    for _ in range(2):
        prepare_process(cell)
        found.append(drawn())
    assert found[0] == found[1]
    assert called == {"threads": 3, "deterministic": True, "plans": False}
    called.clear()
    prepare_process(cell.model_copy(update={"seed": 5, "threads": 0, "deterministic": False}))
    assert not set(found[0]) & set(drawn())
    assert called == {"plans": False}
