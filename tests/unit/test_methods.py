"""One suite over every registered method: what each must hold to so that the harness can compare it."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from cells import is_kind, method_of, tried_on_all

from tpmebench.bench.worker import conformance
from tpmebench.bench.worker.step import make_optimiser, trainable_state
from tpmebench.datasets.batches import make_batch
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.last_layer import narrow_last_layer
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import TowerShape
from tpmebench.methods.decoupled.frozen_mix import LayerMix, MixEncoder
from tpmebench.methods.decoupled.iisan import IISANEncoder
from tpmebench.methods.features.build import BuildJob, ensure_features
from tpmebench.methods.features.cache import CacheKey, FeatureCache
from tpmebench.methods.features.content import Content, RawContent, joined
from tpmebench.methods.features.readers import TowerReader
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.head.recommender import SequentialRecommender, drawn_alike
from tpmebench.methods.head.sasrec import HeadSize, SASRec
from tpmebench.methods.inputs import ItemInputs, Raw
from tpmebench.methods.method import Method
from tpmebench.methods.registry import methods

WIDTH, LENGTH = 8, 4
ALL = methods()
TRAINED = [name for name, method in ALL.items() if method.kind == "method"]
CACHED = [name for name in TRAINED if ALL[name].uncached]
CROSSED = [name for name in TRAINED if ALL[name].family in {"full", "embedded"}]
BESIDE = [name for name in TRAINED if ALL[name].family == "decoupled"]
PAIRS = ["bert+vit", "unequal", "clip", "causal+dinov2"]
AT_START = {"adapter": 0.05, "pfeiffer": 0.05, "compacter": 0.05, "ssf": 0.8}
"""How far a method's tower outputs may be from the frozen ones before training, as a share of the largest number: by
rounding unless said, and by more of it in kinds of peft that compute the weights anew.
"""
NOT_AT_START = {"c3a", "fourierft", "unilora", "vblora"}
"""Kinds of peft that move the towers' outputs before they have learned anything."""
PROMPTED = {"vpt-shallow", "vpt-deep"}
"""They put positions among a picture's, and leave texts as they are."""
SAMPLED = [name for name in TRAINED if tried_on_all(name)]


class Case(conformance.Case):
    """One whose encoder is one of the suite's own."""

    @property
    def reader(self) -> TowerReader:
        """Of a method that runs the towers."""
        assert isinstance(self.encoder, FusedEncoder | IISANEncoder | MixEncoder)
        assert isinstance(self.encoder.reader, TowerReader)
        return self.encoder.reader


Build = Callable[..., Case]


def on_pairs(names: list[str]) -> pytest.MarkDecorator:
    """Methods with the pairs that they are tried on: kinds of peft with the one of unequal depth and width."""
    pairs = [(name, pair) for name in names for pair in (PAIRS if tried_on_all(name) else ["unequal"])]
    return pytest.mark.parametrize(("name", "pair"), pairs)


@pytest.fixture
def build(
    tiny_backbones: Callable[..., Backbones],
    tiny_content: RawContent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Build:
    """Builds a case: `build("iisan", "unequal", ["text"], seed=1, gated=False)`."""
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))

    def read(method: Method, backbones: Backbones, pair: str) -> Content:
        raw, caches, whole = dict[str, RawContent](), dict[str, FeatureCache](), dict[str, FeatureCache]()
        for name, how in method.reads(backbones).items():
            if isinstance(how, Raw):
                raw[name] = tiny_content
                continue
            pooled = CacheKey(pair, name, "random", how.levels, backbones.shapes[name].pooling, "", "", "float32")
            of_all = replace(pooled, levels=how.whole, pooling="", positions="all")
            for key, into in ((pooled, caches), (of_all, whole)):
                if key.levels:
                    job = BuildJob(
                        key,
                        lambda name=name: backbones.load(name),
                        tiny_content,
                        torch.device("cpu"),
                        lambda done, total: None,
                    )
                    into[name], _ = ensure_features(job)
        return joined(backbones.items, raw, caches, whole)

    def make(
        name: str,
        pair: str = "bert+vit",
        modalities: tuple[str, ...] = ("text", "image"),
        seed: int = 0,
        **options: Any,
    ) -> Case:
        method, backbones = method_of(name, options), tiny_backbones(pair, modalities)
        content = read(method, backbones, pair)
        size = HeadSize(WIDTH, LENGTH)
        encoder, head = drawn_alike(lambda: SASRec(size), lambda: method.item_encoder(backbones, WIDTH), seed)
        recommender = SequentialRecommender(encoder, head, np.full(backbones.items + 1, 0.1))
        slots = np.array([[0, 0, 1, 2, 3], [4, 2, 4, 5, 9], [0, 0, 0, 7, 6]])
        batch = make_batch(slots, "unique")
        return Case(method, recommender, content, batch, content.gather(batch.items), backbones)

    return make


@on_pairs(SAMPLED)
def test_an_item_has_one_embedding_whatever_stands_beside_it(build: Build, name: str, pair: str) -> None:
    conformance.check_embeddings(build(name, pair))


@on_pairs(TRAINED)
def test_a_step_trains_what_is_trainable_and_nothing_else(build: Build, name: str, pair: str) -> None:
    conformance.check_step(build(name, pair))


@pytest.mark.parametrize("modalities", [("text",), ("image",), ("text", "image")])
@pytest.mark.parametrize("name", SAMPLED)
def test_every_trainable_parameter_has_one_rate(build: Build, name: str, modalities: tuple[str, ...]) -> None:
    if name in PROMPTED and modalities == ("text",):
        with pytest.raises(BenchError, match=f"'{name}': it leaves the text tower as it is"):
            build(name, modalities=modalities)
        return
    case = build(name, modalities=modalities)
    conformance.check_rates(case)
    rates = case.method.learning_rates(case.encoder)
    assert make_optimiser(case.recommender, rates).param_groups[-1]["lr"] == rates.head
    case.step()  # one modality alone trains as well


def test_a_parameter_without_a_rate_is_an_error(build: Build) -> None:
    case = build("frozen")
    rates = case.method.learning_rates(case.encoder)
    rates.groups.clear()
    with pytest.raises(BenchError, match="exactly one group"):
        make_optimiser(case.recommender, rates)


@pytest.mark.parametrize("name", SAMPLED)
def test_what_is_saved_brings_back_what_was_trained(build: Build, name: str) -> None:
    conformance.check_restored(lambda: build(name))


@on_pairs([name for name in CROSSED if name not in NOT_AT_START])
def test_an_embedded_method_starts_from_the_frozen_backbones(build: Build, name: str, pair: str) -> None:
    most = None if name in PROMPTED else AT_START.get(name, 2e-5 if is_kind(name) else 1e-6)
    conformance.check_start(build(name, pair), most)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", CACHED)
def test_cached_equals_uncached(build: Build, name: str, pair: str) -> None:
    conformance.check_cached(lambda: build(name, pair), lambda: build(ALL[name].uncached, pair), 1e-6)


@pytest.mark.parametrize("trained", [0, 1, 2, "all"])
@pytest.mark.parametrize(("side", "whole"), [(True, "iisan"), (False, "frozen")])
@pytest.mark.parametrize("pair", ["bert+vit", "unequal", "causal+dinov2"])
def test_a_hybrid_started_at_any_level_gives_what_the_whole_tower_gives(
    build: Build, pair: str, side: bool, whole: str, trained: int | str
) -> None:
    cached, plain = build("hybrid-cached", pair, trained=trained, side=side), build(whole, pair)
    torch.testing.assert_close(cached.embeddings(), plain.embeddings(), atol=2e-6, rtol=1e-5)
    inside = {key for key in trainable_state(cached.recommender) if ".towers." in key}
    own = {key for key in trainable_state(plain.recommender) if ".towers." not in key}
    assert {key for key in trainable_state(cached.recommender) if ".towers." not in key} == own
    layers = cached.encoder.layout().hooked if isinstance(cached.encoder, FusedEncoder | IISANEncoder) else []
    assert bool(inside) == bool(layers) == (trained != 0)
    for tower in layers:
        number = tower.shape.depth if trained == "all" else trained
        trains = [any(p.requires_grad for p in layer.parameters()) for layer in tower.layers]
        assert trains == [False] * (tower.shape.depth - int(number)) + [True] * int(number)
        narrow_last_layer(tower)
    torch.testing.assert_close(cached.embeddings(), plain.embeddings(), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(("trained", "side"), [(2, False), ("all", True)])
def test_a_hybrid_trains_alike_from_the_cache_and_from_the_whole_tower(
    build: Build, trained: int | str, side: bool
) -> None:
    cached, live = (build(name, "unequal", trained=trained, side=side) for name in ("hybrid-cached", "hybrid"))
    gradients = []
    for case in (cached, live):
        torch.manual_seed(3)
        case.step()
        gradients.append({key: p.grad for key, p in case.recommender.named_parameters() if p.requires_grad})
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-5)


def test_more_layers_than_a_tower_has_cannot_be_trained(build: Build) -> None:
    with pytest.raises(BenchError, match=r"'trained': the image tower has 2 layers, not 3; give 0 to 2, or all"):
        build("hybrid", "unequal", trained=3)
    with pytest.raises(BenchError, match="last layer is trained and must be read"):
        build("hybrid", layers="first-half")


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize("name", CACHED)
def test_cached_equals_uncached_of_one_modality(build: Build, name: str, modality: str) -> None:
    cached, live = (build(each, "unequal", (modality,)) for each in (name, ALL[name].uncached))
    torch.testing.assert_close(cached.embeddings(), live.embeddings(), atol=1e-6, rtol=1e-6)
    assert cached.loss().item() == pytest.approx(live.loss().item(), abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"layers": (1, 2)},
        {"layers": "all", "first_state": False},
        {"networks": "inter"},
        {"layers": "first-half"},
        {"layers": "every-3"},
        {"layers": "none"},
    ],
)
def test_iisan_reads_only_the_layers_asked_for(build: Build, options: dict[str, Any]) -> None:
    cached, live = build("iisan-cached", **options), build("iisan", **options)
    torch.testing.assert_close(cached.embeddings(), live.embeddings(), atol=1e-6, rtol=1e-6)
    kept = len(live.reader.tower("text").layers)
    assert kept == {(1, 2): 2, "first-half": 2, "none": 1}.get(options.get("layers", "all"), 4)


def test_one_pattern_of_layers_has_one_name() -> None:
    for written, name in (("every-1", "all"), ("every-2", "every-second"), (2, (2,)), ([1, 2], (1, 2))):
        assert method_of("iisan", {"layers": written}).chosen.layers == name
    with pytest.raises(BenchError, match=r"'layers': .*every-second.* \(got 'every-5'\)"):
        method_of("iisan", {"layers": "every-5"})


def test_without_any_layer_there_must_be_a_block_for_the_first_state(build: Build) -> None:
    with pytest.raises(BenchError, match="no layer is left to read"):
        build("iisan", layers="none", first_state=False)


def trained_in_the_encoder(case: Case) -> int:
    return sum(parameter.numel() for parameter in case.encoder.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("modalities", [("text",), ("text", "image")])
@pytest.mark.parametrize("pair", PAIRS)
def test_a_mix_may_train_as_many_parameters_as_iisan(build: Build, pair: str, modalities: tuple[str, ...]) -> None:
    wide, iisan = (build(name, pair, modalities, **o) for name, o in MIX_AND_IISAN)
    step = sum(32 + 1 + WIDTH for _ in modalities) if pair != "unequal" else 200
    assert abs(trained_in_the_encoder(wide) - trained_in_the_encoder(iisan)) <= step / 2 + 1
    assert trained_in_the_encoder(build("frozen-mix-cached", pair, modalities)) < trained_in_the_encoder(wide) / 4


MIX_AND_IISAN: list[tuple[str, dict[str, Any]]] = [("frozen-mix-cached", {"hidden": "as-iisan"}), ("iisan-cached", {})]


def test_a_mix_weighs_normalised_levels_by_shares_that_begin_equal() -> None:
    mix = LayerMix(2)
    low, high = torch.tensor([[1.0, 3.0], [5.0, 5.0]]), torch.tensor([[40.0, -40.0]])  # the second shared by all
    torch.testing.assert_close(mix([low, high]), torch.tensor([[0.0, 0.0], [0.5, -0.5]]), atol=1e-4, rtol=0)
    with torch.no_grad():
        mix.logits[1] = 0.1 * math.log(3)
    torch.testing.assert_close(mix.shares(), torch.tensor([0.25, 0.75]))


def test_a_mix_reads_the_entry_of_iisan(build: Build, tiny_backbones: Callable[..., Backbones]) -> None:
    for layers in ("every-second", "all", 2):
        mix, iisan = (method_of(name, {"layers": layers}) for name in ("frozen-mix-cached", "iisan-cached"))
        assert mix.reads(tiny_backbones("bert+vit")) == iisan.reads(tiny_backbones("bert+vit"))


@pytest.mark.parametrize("name", ["frozen-mix-cached", "iisan-cached"])
def test_levels_may_have_another_width_than_the_output(name: str) -> None:
    """As in OPT-350m, whose output goes through a projection, or under SigLIP's pooled output."""
    shape = TowerShape("text", hidden_size=5, depth=2, pooling="last", widths=(12, 12, 12))
    backbones = Backbones({"text": shape}, lambda _: pytest.fail("no tower is read"), 3)
    options = {"hidden": "as-iisan"} if name == "frozen-mix-cached" else {}
    encoder = method_of(name, options).item_encoder(backbones, WIDTH)
    states = {"text": [torch.randn(3, 12), torch.randn(3, 12)]}
    assert encoder(ItemInputs(torch.arange(3), states=states)).shape == (3, WIDTH)


@pytest.mark.parametrize("name", [name for name in BESIDE if name not in CACHED])
def test_towers_of_a_decoupled_method_stay_in_eval_mode_and_give_no_graph(build: Build, name: str) -> None:
    case = build(name)
    conformance.check_frozen_towers(case)
    reader = cast("Any", case.encoder).reader
    first, again = (
        {name: getattr(found, "levels", found) for name, found in reader(case.inputs).items()} for _ in range(2)
    )
    for modality, states in first.items():
        assert not any(state.requires_grad for state in states)
        assert all(map(torch.equal, states, again[modality]))


@pytest.mark.parametrize("name", [name for name in CROSSED if tried_on_all(name)])
def test_towers_that_gradients_cross_are_in_train_mode(build: Build, name: str) -> None:
    case = build(name)
    case.recommender.train()
    assert case.reader.tower("image").model.training
    assert case.reader.tower("text").model.training == (name not in PROMPTED)
    if name in PROMPTED:
        return  # ViT has no dropout
    assert not torch.equal(case.encoder(case.inputs), case.encoder(case.inputs))  # BERT has dropout
    case.recommender.eval()
    assert torch.equal(case.encoder(case.inputs), case.encoder(case.inputs))


@pytest.mark.parametrize("name", SAMPLED)
def test_mixed_precision(build: Build, name: str) -> None:
    conformance.check_half_precision(build(name, "unequal"))


@pytest.mark.parametrize("name", SAMPLED)
def test_all_methods_start_from_the_same_head_and_leave_the_generator_alone(build: Build, name: str) -> None:
    torch.manual_seed(11)
    case = build(name, seed=4)
    drawn = torch.rand(1)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(1))
    ours, reference = case.recommender.head.state_dict(), build("frozen-cached", seed=4).recommender.head.state_dict()
    assert all(torch.equal(ours[key], reference[key]) for key in reference)


@pytest.mark.parametrize("layers", [(3, 2), (0, 2), (2, 5), ()])
def test_layers_that_a_tower_does_not_have_are_an_error(build: Build, layers: tuple[int, ...]) -> None:
    with pytest.raises(BenchError, match=r"'layers': .* give increasing layer numbers from 1 to 4"):
        build("iisan", layers=layers)


def test_encoders_are_those_that_the_rates_are_for(build: Build) -> None:
    assert isinstance(build("lora").encoder, FusedEncoder)
    assert isinstance(build("iisan-cached").encoder, IISANEncoder)
