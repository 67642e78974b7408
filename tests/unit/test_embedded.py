"""Our own methods inside the towers against what their papers say: sizes by formula, and plain restatements."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from cells import method_of
from families.reading import subject
from torch import Tensor, nn
from torch.nn import functional

from tpmebench.bench.worker.speedups import speed_up
from tpmebench.cell import Training
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.operations import after_layers, operations
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.projections import projections
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.embedded.compacter import KroneckerAdapter, KroneckerLinear, SharedFactors
from tpmebench.methods.embedded.ends import AdaptedLinear
from tpmebench.methods.embedded.parallel import LinearBesideAdapter
from tpmebench.methods.embedded.ssf import SCALE, SHIFT
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.inputs import ItemInputs

MakeTower = Callable[[str, str], Tower]
WIDTH = 64
D, F, L = 768, 3072, 12
"""BERT-base's and ViT-base's width, feed-forward width and layers."""
TOWERS = [("text", "bert"), ("image", "vit"), ("image", "dinov2"), ("text", "qwen2"), ("image", "clip")]


def bottleneck(k: int) -> int:
    return D * k + k + k * D + D


def kronecker(reads: int, gives: int, n: int, rank: int) -> int:
    return n * (reads // n) * rank + n * rank * (gives // n) + gives


def layer() -> int:
    """Four square maps, two of the feed-forward network, two norms."""
    return 4 * (D * D + D) + (D * F + F) + (F * D + D) + 2 * 2 * D


SCALED = 2 * L * (4 * D + F + D + 2 * D)
"""SSF: a scale and a shift of what each of these eight operations of a layer gives."""

COMPACTED = 4**3 + 2 * L * (kronecker(D, 24, 4, 1) + kronecker(24, D, 4, 1))

# method, options -> trainable parameters of the text tower, and of the image tower
FORMULAS: dict[str, tuple[dict[str, Any], int, int]] = {
    "adapter": ({}, 2 * L * bottleneck(64), 2 * L * bottleneck(64)),
    "pfeiffer": ({}, L * bottleneck(64), L * bottleneck(64)),
    "parallel": ({"bottleneck": 16}, L * bottleneck(16), L * bottleneck(16)),
    "compacter": ({}, COMPACTED, COMPACTED),
    "vpt-shallow": ({}, 0, 10 * D),
    "vpt-deep": ({"prompts": 50}, 0, 50 * D * L),
    "ssf": ({}, SCALED + 2 * D, SCALED + 2 * 2 * D),  # and the embeddings' norm; the patches' map and the last norm
    "partial": ({"layers": 2}, 2 * layer(), 2 * layer() + 2 * D),  # and the last norm
}
FIGURES = {"adapter": 4_758_528, "pfeiffer": 2_379_264, "compacter": 114_176, "ssf": 204_288 + 205_824}
"""Of both towers; the paper on SSF gives 0.205 million for ViT-base."""


@cache
def base_shapes() -> dict[str, BackboneSource]:
    return {
        "text": BackboneSource("text", "bert-base", "random"),
        "image": BackboneSource("image", "vit-base", "random"),
    }


@pytest.mark.parametrize("name", FORMULAS)
def test_trainable_parameters_on_the_shapes_of_bert_and_vit(name: str) -> None:
    options, *expected = FORMULAS[name]
    method = method_of(name, options)
    with torch.device("meta"):
        encoder: Any = method.item_encoder(Backbones.of(base_shapes(), 100), WIDTH)
    towers = [encoder.reader.tower(modality) for modality in ("text", "image")]
    found = [sum(p.numel() for p in tower.parameters() if p.requires_grad) for tower in towers]
    assert found == expected
    assert sum(found) == FIGURES.get(name, sum(found))


@pytest.fixture
def items(tiny_content: RawContent) -> ItemInputs:
    return tiny_content.gather(torch.arange(1, 10))


def adapted(tower: Tower, name: str, **options: Any) -> Tower:
    method_of(name, options).adapt(tower)  # type: ignore[attr-defined]
    return tower.eval()


def randomised(tower: Tower) -> Tower:
    """What is trained is drawn anew: at its start some of it does nothing."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in tower.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return tower


@pytest.mark.parametrize(("modality", "name"), TOWERS)
def test_one_adapter_stands_at_each_feed_forward_network(tiny_tower: MakeTower, modality: str, name: str) -> None:
    tower = tiny_tower(modality, name)
    downs = [network.down for layer in projections(tower) for network in layer.feed_forwards]
    assert len(downs) == len(tower.layers)
    for method, kind in (("pfeiffer", AdaptedLinear), ("parallel", LinearBesideAdapter)):
        changed = adapted(tiny_tower(modality, name), method)
        assert [key for key, module in changed.model.named_modules() if isinstance(module, kind)] == downs
        assert all(".adapter." in key for key, p in changed.model.named_parameters() if p.requires_grad)


@pytest.mark.parametrize(("modality", "name"), TOWERS)
@torch.no_grad()
def test_a_parallel_adapter_reads_what_the_network_reads(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str
) -> None:
    plain, tower = tiny_tower(modality, name).eval(), adapted(tiny_tower(modality, name), "parallel", scale=0.5)
    torch.testing.assert_close(tower(items), plain(items), atol=0, rtol=0)
    randomised(tower)
    network = projections(plain)[0].feed_forwards[0]
    beside = tower.model.get_submodule(network.down)
    assert isinstance(beside, LinearBesideAdapter)
    read: list[Tensor] = []
    up, down = plain.model.get_submodule(network.up[0]), plain.model.get_submodule(network.down)
    up.register_forward_pre_hook(lambda _module, args: read.append(args[0]))

    def added(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        a = beside.adapter
        return output + 0.5 * (torch.relu(read[-1] @ a.down.weight.T + a.down.bias) @ a.up.weight.T + a.up.bias)

    down.register_forward_hook(added)
    for other in projections(plain)[1:]:
        for each in other.feed_forwards:
            tower.model.get_submodule(each.down).scale = 0.0  # type: ignore[assignment]
    torch.testing.assert_close(tower(items), plain(items), atol=1e-5, rtol=1e-5)
    assert beside.given is None  # nothing is kept alive


def test_kronecker_maps_are_sums_of_kronecker_products() -> None:
    torch.manual_seed(0)
    shared = SharedFactors(3)
    linear = KroneckerLinear(12, 6, shared, rank=2)
    with torch.no_grad():
        linear.bias.normal_()
    whole = sum(torch.kron(shared.factors[i], linear.left[i] @ linear.right[i]) for i in range(3))
    hidden = torch.randn(2, 5, 12)
    torch.testing.assert_close(linear(hidden), hidden @ whole + linear.bias)


def test_the_maps_of_a_tower_share_their_factors_and_no_more(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = adapted(tiny_tower("text", "bert"), "compacter", bottleneck=8)
    adapters = [module for module in tower.modules() if isinstance(module, KroneckerAdapter)]
    assert len(adapters) == 2 * 4
    shared = [name for name, p in tower.named_parameters() if p.requires_grad and "adapter" not in name]
    assert shared == ["model.compacter.factors"]
    assert sum("factors" in name for name in tower.state_dict()) == 1
    tower(items).sum().backward()
    assert all(p.grad is not None for p in tower.parameters() if p.requires_grad)
    before = tower(items).detach()
    with torch.no_grad():
        tower.get_parameter("model.compacter.factors").mul_(40)
    assert (tower(items) - before).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"n": 5}, "option 'n': 5 does not divide the bottleneck, 24"),
        ({"n": 3, "bottleneck": 9}, "option 'n': 3 does not divide 32, the width of the text tower"),
    ],
)
def test_factors_that_do_not_divide_a_width_are_refused(
    tiny_tower: MakeTower, options: dict[str, int], told: str
) -> None:
    with pytest.raises(BenchError, match=told):
        adapted(tiny_tower("text", "bert"), "compacter", **options)


@pytest.mark.parametrize(("modality", "name"), TOWERS)
@torch.no_grad()
def test_scales_and_shifts_can_be_merged_into_the_operations(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str
) -> None:
    """What the paper promises, and so that each stands right after its operation, on the axis of its features."""
    tower, merged = adapted(tiny_tower(modality, name), "ssf"), tiny_tower(modality, name).eval()
    found = operations(merged)
    assert {id(layer) for layer in merged.layers} == {
        id(layer)
        for layer in merged.layers
        if any(merged.model.get_submodule(each.name) in list(layer.modules()) for each in found)
    }
    for each in found:
        module, scaled = merged.model.get_submodule(each.name), tower.model.get_submodule(each.name)
        scale, shift = scaled.get_parameter(SCALE), scaled.get_parameter(SHIFT)
        weight = module.get_parameter("weight")
        weight.mul_(scale.view(-1, *(1 for _ in weight.shape[1:])))
        if getattr(module, "bias", None) is not None:
            module.get_parameter("bias").mul_(scale).add_(shift)
        else:
            module.register_forward_hook(_shifted(shift, each.axis))
    assert 0.9 < float(torch.cat([p for key, p in tower.named_parameters() if SCALE in key]).mean()) < 1.1
    torch.testing.assert_close(tower(items), merged(items), atol=1e-4, rtol=1e-4)


def _shifted(shift: Tensor, axis: int) -> Any:
    shaped = shift.view(-1, 1, 1) if axis == 1 else shift
    return lambda _module, _args, output: output + shaped


@pytest.mark.parametrize("kind", ["vpt-shallow", "vpt-deep"])
@torch.no_grad()
def test_prompts_stand_after_the_class_token(tiny_tower: MakeTower, items: ItemInputs, kind: str) -> None:
    """ViT's own layers on a sequence put together by hand."""
    torch.manual_seed(0)
    plain, tower = tiny_tower("image", "vit").eval(), adapted(tiny_tower("image", "vit"), kind, prompts=3)
    assert items.pixels is not None
    model: Any = plain.model
    hidden, drawn = model.embeddings((items.pixels - plain.mean) / plain.std), list[Tensor]()
    for number, (one, prompted) in enumerate(zip(plain.layers, tower.layers, strict=True)):
        if number == 0 or kind == "vpt-deep":
            drawn.append(prompted.get_parameter("prompts"))
            own = drawn[-1].expand(len(hidden), -1, -1)
            hidden = torch.cat([hidden[:, :1], own, hidden[:, 1 if number == 0 else 4 :]], 1)
        hidden = one(hidden)
    torch.testing.assert_close(tower(items), model.layernorm(hidden)[:, 0], atol=1e-5, rtol=1e-5)
    assert all(0 < each.abs().max() <= (6 / (3 * 8**2 + 32)) ** 0.5 for each in drawn)
    pixels = (items.pixels - tower.mean) / tower.std
    whole: Any = tower.model(pixels).last_hidden_state
    assert whole.shape == model(pixels).last_hidden_state.shape


@pytest.mark.filterwarnings("ignore:.*checkpointing")
def test_the_text_tower_stays_as_it_is_beside_prompts(tiny_backbones: Callable[..., Backbones]) -> None:
    method = method_of("vpt-deep")
    encoder: Any = method.item_encoder(tiny_backbones("bert+vit"), 8)
    text = encoder.reader.tower("text")
    assert not any(p.requires_grad for p in text.parameters()) and not encoder.train().reader.tower("text").training
    assert method.notes == ["vpt-deep, text tower: stays frozen, and runs without gradients"]
    assert "text tower" not in method.learning_rates(encoder).groups
    reached = speed_up_of(encoder)
    assert reached == {"gradient_checkpointing"} and not text.model.is_gradient_checkpointing


def speed_up_of(encoder: nn.Module) -> set[str]:
    recommender: Any = nn.Module()
    recommender.item_encoder = encoder
    return speed_up(recommender, Training(gradient_checkpointing=True), torch.device("cpu"))


@pytest.mark.parametrize(("modality", "name"), TOWERS)
def test_the_layers_below_the_top_ones_run_without_gradients(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str
) -> None:
    tower = adapted(tiny_tower(modality, name), "partial", layers=1).train()
    graphs: list[bool] = []
    for one in tower.layers:
        one.register_forward_hook(
            lambda _module, _args, output: graphs.append(
                (output if isinstance(output, Tensor) else output[0]).requires_grad
            )
        )
    loss = functional.softplus(tower(items)).sum()
    assert graphs == [False] * (len(tower.layers) - 1) + [True]
    loss.backward()
    trained = {key for key, p in tower.model.named_parameters() if p.requires_grad}
    top = next(key for key, module in tower.model.named_modules() if module is tower.layers[-1])
    own = {key for key, _ in tower.model.named_parameters() if key.startswith(f"{top}.")}
    beyond = trained - own
    assert own <= trained and all(tower.get_parameter(f"model.{key}").grad is not None for key in trained)
    norms = {"bert": 0, "qwen2": 1, "vit": 2, "dinov2": 2, "clip": 2}
    assert len(beyond) == norms[name] and all("norm" in key for key in beyond)


def test_more_layers_than_there_are_and_shared_ones_are_refused(tiny_tower: MakeTower) -> None:
    with pytest.raises(BenchError, match=r"'layers': the text tower \(BertModel\) has 4 layers, not 5; give 1 to 4"):
        adapted(tiny_tower("text", "bert"), "partial", layers=5)
    shared = tiny_tower("text", "bert")
    assert after_layers(shared) == []
    stack = shared.model.get_submodule(shared.anatomy.stack)
    stack[3] = stack[0]  # type: ignore[index, operator]
    with pytest.raises(BenchError, match=r"share their weights: none is trained alone; give 4"):
        adapted(shared, "partial", layers=1)
    for name, option in (("partial", "layers"), ("hybrid", "trained")):
        with pytest.raises(BenchError, match=rf"^method '{name}': option '{option}': .* share their weights"):
            method_of(name).item_encoder(subject("Albert").backbones(), 8)
    whole = adapted(tiny_tower("text", "bert"), "partial", layers=4)
    frozen = [key for key, p in whole.model.named_parameters() if not p.requires_grad]
    assert frozen and all("embeddings" in key for key in frozen)


@pytest.mark.parametrize(("method", "what"), [("adapter", "its layers' maps"), ("ssf", "what it computes")])
def test_a_tower_that_does_not_run_is_refused_by_what_was_looked_for(
    tiny_tower: MakeTower, method: str, what: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such\nstate")

    tower = tiny_tower("text", "bert")
    tower.layers[1].forward = fail
    with pytest.raises(BenchError, match=rf"BertModel: {what} cannot be found \(no such state\)"):
        adapted(tower, method)
    with pytest.raises(ValueError, match="no such"):  # without numbers it tells nothing of the tower
        adapted(tower.to("meta"), method)
