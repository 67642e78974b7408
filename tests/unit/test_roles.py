"""Which map does what in a layer is found by what flows through it, whatever families call their maps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cells
import pytest
import torch
from cells import method_of
from torch import Tensor, nn

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.flow import run_tiny
from tpmebench.methods.backbones.last_layer import narrow_last_layer
from tpmebench.methods.backbones.loading import copy_of_same_weights
from tpmebench.methods.backbones.projections import Attention, maps_after_attention, projections
from tpmebench.methods.backbones.tower import Tower

WORDS: dict[str, Any] = {"vocab_size": 60, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SIZE: dict[str, Any] = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
GPT: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2}
GROUPED: dict[str, Any] = {"num_key_value_heads": 1, "head_dim": 12}
"""Heads of a width of their own: the attention's output map is not square."""
PIXELS: dict[str, Any] = {"image_size": 16, "patch_size": 8}
STAGES: dict[str, Any] = {"image_size": 16, "patch_size": 4, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2]}
RELATIVE: dict[str, Any] = {
    "relative_attention": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pos_att_type": ["p2c", "c2p"],
}

# kind of model -> settings, what its query, key, value, output, up and down are called; one name for three is fused
SPLIT = "self_attn.q_proj self_attn.k_proj self_attn.v_proj"
VIT = "attention.q_proj attention.k_proj attention.v_proj attention.o_proj mlp.fc1 mlp.fc2"
GATED = f"{SPLIT} self_attn.o_proj mlp.gate_proj,mlp.up_proj mlp.down_proj"
T5 = "0.SelfAttention.q 0.SelfAttention.k 0.SelfAttention.v 0.SelfAttention.o"
OWN = "attention.self.query attention.self.key attention.self.value attention.output.dense"
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "Bert": (SIZE, f"{OWN} intermediate.dense output.dense"),
    "MPNet": (SIZE, "attn.q attn.k attn.v attn.o intermediate.dense output.dense"),
    "DistilBert": (
        {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
        "q_lin k_lin v_lin out_lin ffn.lin1 ffn.lin2",
    ),
    "DebertaV2": (
        SIZE | RELATIVE | {"share_att_key": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm"},
        "query_proj key_proj value_proj attention.output.dense intermediate.dense output.dense",
    ),
    "Deberta": (SIZE | RELATIVE, "self.in_proj attention.output.dense intermediate.dense output.dense"),
    "ModernBert": (SIZE | {"attention_dropout": 0.0}, "attn.Wqkv attn.Wo mlp.Wi mlp.Wo"),
    "Albert": (
        SIZE | {"embedding_size": 8},
        "attention.query attention.key attention.value attention.dense ffn ffn_output",
    ),
    "ConvBert": (SIZE | {"embedding_size": 16, "head_ratio": 1}, f"{OWN} intermediate.dense output.dense"),
    "Longformer": (SIZE | {"attention_window": 4}, f"{OWN} intermediate.dense output.dense"),
    "RoFormer": (SIZE, f"{OWN} intermediate.dense output.dense"),
    "T5Encoder": (
        {"d_model": 16, "d_ff": 24, "d_kv": 8, "num_layers": 2, "num_heads": 2},
        f"{T5} DenseReluDense.wi DenseReluDense.wo",
    ),
    "GPT2": (GPT, "attn.c_attn attn.c_proj mlp.c_fc mlp.c_proj"),
    "Bloom": (
        {"hidden_size": 16, "n_layer": 2, "n_head": 2},
        "query_key_value self_attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h",
    ),
    "Falcon": (SIZE, "query_key_value self_attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h"),
    "GPTNeoX": (SIZE, "query_key_value attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h"),
    "GPTJ": (GPT | {"rotary_dim": 4}, "attn.q_proj attn.k_proj attn.v_proj attn.out_proj mlp.fc_in mlp.fc_out"),
    "OPT": (SIZE | {"ffn_dim": 24, "word_embed_proj_dim": 16}, f"{SPLIT} self_attn.out_proj fc1 fc2"),
    "Phi": (SIZE, f"{SPLIT} self_attn.dense mlp.fc1 mlp.fc2"),
    "Phi3": (SIZE, "self_attn.qkv_proj self_attn.o_proj mlp.gate_up_proj mlp.down_proj"),
    "Qwen3": (SIZE | GROUPED, GATED),
    "Gemma2": (SIZE | GROUPED, GATED),
    "ViT": (SIZE | PIXELS, VIT),
    "DeiT": (SIZE | PIXELS, VIT),
    "Beit": (SIZE | PIXELS, VIT),
    "Dinov2": (SIZE | PIXELS, VIT),
    "Swin": (STAGES | {"window_size": 2}, VIT),
    "Hiera": (
        {"image_size": [32, 32], "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "num_query_pool": 1},
        "attn.qkv attn.proj mlp.fc1 mlp.fc2",
    ),
}
IMAGE = {"ViT", "DeiT", "Beit", "Dinov2", "Swin", "Hiera", "ConvNext", "PoolFormer"}


def tower_of(kind: str, settings: dict[str, Any], device: str = "cpu") -> Tower:
    import transformers

    modality = "image" if kind in IMAGE else "text"
    config = getattr(transformers, f"{kind.removesuffix('Encoder')}Config")(
        **({} if modality == "image" else WORDS) | settings
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = getattr(transformers, f"{kind}Model")(config).eval()
    return cells.tower_of(model, "cls", modality).to(device)


def ends(names: tuple[str, ...], expected: str) -> bool:
    wanted = expected.split(",")
    return len(names) == len(wanted) and all(name.endswith(end) for name, end in zip(names, wanted, strict=True))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_map_is_found_by_its_role(kind: str, device: str) -> None:
    settings, expected = FAMILIES[kind]
    tower = tower_of(kind, settings, device)
    try:
        found = projections(tower)
    except (RuntimeError, NotImplementedError) as error:
        assert device == "meta" and "meta" in str(error)  # a model that looks at values
        return
    *maps, output, up, down = expected.split()
    query, key, value = maps if len(maps) == 3 else maps * 3
    assert len(found) == len({id(layer) for layer in tower.layers})
    for layer in found:
        assert len(layer.attentions) == len(layer.feed_forwards) >= 1
        for attention, network in zip(layer.attentions, layer.feed_forwards, strict=True):
            assert ends(attention.query, query) and ends(attention.key, key) and ends(attention.value, value)
            assert attention.output.endswith(output) and attention.output.startswith(layer.name)
            assert ends(network.up, up) and network.down.endswith(down)
            assert attention.fused == (attention.query if len(maps) == 1 else ())


@contextmanager
def changed(tower: Tower, name: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return change(output)

    handle = tower.model.get_submodule(name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def read_by_output(tower: Tower, attention: Attention) -> Tensor:
    """What the attention's output map is given, `[positions, width]`."""
    given = []
    hook = lambda _module, args: given.append(args[0][0].flatten(1))  # noqa: E731
    handle = tower.model.get_submodule(attention.output).register_forward_pre_hook(hook)
    run_tiny(tower)
    handle.remove()
    return given[0]


def outputs(tower: Tower) -> Tensor:
    """What the model gives of a tiny batch."""
    given: list[Any] = []
    handle = tower.model.register_forward_hook(lambda _module, _args, output: given.append(output))
    run_tiny(tower)
    handle.remove()
    return given[0].last_hidden_state


ELSEWHERE = {"Swin", "Longformer"}
"""Their positions do not stand second: windows, and a transposed batch."""
SEPARATE = [kind for kind, (_, expected) in FAMILIES.items() if len(expected.split()) == 6 and kind not in ELSEWHERE]


@pytest.mark.parametrize("kind", SEPARATE)
def test_what_is_called_query_key_and_value_acts_as_such(kind: str) -> None:
    tower = tower_of(kind, FAMILIES[kind][0])
    attention = projections(tower)[0].attentions[0]
    plain = read_by_output(tower, attention)

    def moves(name: str) -> Tensor:
        """The positions that change when one position of what a map gives does."""

        def change(output: Tensor) -> Tensor:
            moved = output.clone()
            moved[:, 1] = moved[:, 1] * -3 + torch.linspace(-1, 1, output.shape[-1])
            return moved if output.shape[:2] == (1, len(plain)) else output

        with changed(tower, name, change):
            return (read_by_output(tower, attention) - plain).abs().amax(1) > 1e-7

    [query], [key], [value] = attention.query, attention.key, attention.value
    assert moves(query)[1] and moves(query).sum() == 1
    assert moves(key).sum() > 1
    with changed(tower, value, torch.zeros_like):
        if kind == "ConvBert":  # whose convolutions stand beside the attention
            assert read_by_output(tower, attention)[:, :8].abs().max() == 0
        else:
            assert read_by_output(tower, attention).abs().max() == 0
    with changed(tower, key, torch.zeros_like):
        assert read_by_output(tower, attention).abs().max() > 0


@pytest.mark.parametrize("kind", FAMILIES)
def test_lora_and_adapters_train_in_every_layer(kind: str) -> None:
    for name, added in (("lora", "lora_B"), ("adapter", "adapter.up.weight")):
        tower, method = tower_of(kind, FAMILIES[kind][0]), method_of(name)
        layers = projections(tower)
        method.adapt(tower)  # type: ignore[attr-defined]
        output = outputs(tower)
        (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
        grown = {key: p.grad for key, p in tower.model.named_parameters() if added in key}
        assert all(any(layer.name in key for key in grown) for layer in layers)
        assert all(gradient is not None and gradient.abs().max() > 0 for gradient in grown.values())
        assert {key for key, p in tower.model.named_parameters() if p.requires_grad} == {
            key for key in dict(tower.model.named_parameters()) if "lora_" in key or ".adapter." in key
        }
        fused = any(attention.fused for layer in layers for attention in layer.attentions)
        assert [("keys are adapted" in note) for note in method.notes] == [True] * (fused and name == "lora")


def test_layers_without_attention_are_told_from_those_with_it() -> None:
    stages = tower_of("ConvNext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2})
    assert [len(layer.attentions) for layer in projections(stages)] == [0, 0]
    with pytest.raises(
        BenchError, match=r"'lora'.*no linear map gives queries or values in the image tower \(ConvNext"
    ):
        method_of("lora").adapt(stages)  # type: ignore[attr-defined]
    adapter = method_of("adapter")
    adapter.adapt(stages)  # type: ignore[attr-defined]
    assert adapter.notes == ["adapter, image tower: no adapters after attentions: no linear map ends one"]
    pools = tower_of("PoolFormer", {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]})
    with pytest.raises(BenchError, match=r"'adapter'.*the image tower \(PoolFormerModel\)"):
        method_of("adapter").adapt(pools)  # type: ignore[attr-defined]


def test_lora_falls_back_to_what_peft_adapts_in_a_family() -> None:
    tower, lora = tower_of("Rwkv", {"hidden_size": 16, "num_hidden_layers": 2}), method_of("lora")
    lora.adapt(tower)  # type: ignore[attr-defined]
    assert lora.notes == [
        "lora, text tower: no map gives queries or values: peft's own targets for rwkv, key, value, receptance, output"
    ]
    assert sum("lora_A" in name for name, _ in tower.named_parameters()) == 2 * 7


def test_bitfit_gives_a_tower_without_biases_some_of_zeros() -> None:
    tower, bitfit = tower_of("Qwen3", FAMILIES["Qwen3"][0]), method_of("bitfit")
    assert not any(name.endswith("bias") for name, _ in tower.named_parameters())
    bitfit.adapt(tower)  # type: ignore[attr-defined]
    trained = {name: p for name, p in tower.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 7 and all(p.abs().max() == 0 for p in trained.values())
    assert bitfit.notes == ["bitfit, text tower: it has no bias: one of zeros was added to each of its 14 linear maps"]
    bare = tower_of("Qwen3", FAMILIES["Qwen3"][0])
    for layer in bare.layers:
        for name, module in list(layer.named_modules()):
            if isinstance(module, nn.Linear):
                layer.set_submodule(name, nn.Identity())
    with pytest.raises(BenchError, match=r"'bitfit'.*the text tower \(Qwen3Model\) has no bias and no linear map"):
        method_of("bitfit").adapt(bare)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in {"Swin", "Hiera"}])
def test_the_last_layer_is_cut_where_that_changes_nothing(kind: str) -> None:
    tower = tower_of(kind, FAMILIES[kind][0])
    before = outputs(tower)
    narrow_last_layer(tower)
    torch.testing.assert_close(outputs(tower)[:, 0], before[:, 0])
    cut = any(module._forward_pre_hooks for module in tower.layers[-1].modules())
    assert cut == (kind not in {"Albert", "ConvBert"})  # one layer run twice; a convolution after a map


def test_a_layer_that_mixes_positions_after_its_attention_stays_whole() -> None:
    class Mixing(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input.cumsum(1).flip(1))

    tower = tower_of("Bert", SIZE)
    tower.layers[-1].output.dense.__class__ = Mixing  # type: ignore[union-attr]
    assert maps_after_attention(tower)
    before = outputs(tower)
    narrow_last_layer(tower)
    torch.testing.assert_close(outputs(tower)[:, 0], before[:, 0])
    assert not any(module._forward_pre_hooks for module in tower.modules())


def test_flows_are_seen_on_a_corner_of_a_picture_where_the_model_takes_one() -> None:
    def seen(most: int) -> list[int]:
        """The sides that were tried of a model that takes no others."""
        sides = list[int]()

        def tell(_model: nn.Module, args: tuple[Tensor]) -> None:
            sides.append(args[0].shape[-1])
            if sides[-1] < most:
                raise ValueError("takes whole pictures")

        tower = tower_of("ViT", SIZE | {"image_size": 96, "patch_size": 8})
        tower.model.register_forward_pre_hook(tell)
        assert [layer.name for layer in projections(tower)] == ["layers.0", "layers.1"]
        return sides

    assert seen(64) == [64] and seen(96) == [64, 96]


def test_a_copy_of_the_same_weights_shares_them_and_nothing_else() -> None:
    tower = tower_of("Bert", SIZE)
    copied = copy_of_same_weights(tower)
    copied.requires_grad_(False)
    copied.layers[0].register_forward_pre_hook(lambda *_: None)
    for one, other in zip(tower.parameters(), copied.parameters(), strict=True):
        assert one.requires_grad and one.data_ptr() == other.data_ptr()
    assert not any(module._forward_pre_hooks for module in tower.modules())
