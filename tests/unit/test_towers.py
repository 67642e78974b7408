"""Towers and where they come from: pooling, levels, normalisation, weights, names."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cells import tower_of
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.names import parse_pair
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import OUTPUT, Tower, TowerShape
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.inputs import ItemInputs

Folder = Callable[[str], Path]
MakeTower = Callable[[str, str], Tower]
FAMILIES = [
    ("text", "bert", "cls", "", 4),
    ("text", "qwen2", "last", "norm", 2),
    ("text", "clip", "last", "final_layer_norm", 3),
    ("image", "vit", "cls", "layernorm", 4),
    ("image", "dinov2", "cls", "layernorm", 3),
    ("image", "clip", "cls", "post_layernorm", 3),
]


@pytest.fixture
def items(tiny_content: RawContent) -> ItemInputs:
    return tiny_content.gather(torch.arange(1, 10))


def every_state(tower: Tower, items: ItemInputs) -> list[Tensor]:
    """What transformers itself calls the hidden states, `[n, length, hidden]` each."""
    if tower.shape.modality == "text":
        assert items.text is not None
        asked: dict[str, Tensor] = {"input_ids": items.text.ids, "attention_mask": items.text.mask}
    else:
        assert items.pixels is not None
        asked = {"pixel_values": items.pixels / 127.5 - 1.0}
    return list(tower.model(**asked, output_hidden_states=True).hidden_states)


def pooled(tower: Tower, states: Tensor, items: ItemInputs) -> Tensor:
    if tower.shape.pooling == "cls":
        return states[:, 0]
    assert items.text is not None
    return torch.stack([row[int(mask.sum()) - 1] for row, mask in zip(states, items.text.mask, strict=True)])


@pytest.mark.parametrize(("modality", "name", "pooling", "norm", "depth"), FAMILIES)
@torch.no_grad()
def test_levels_are_the_hidden_states_before_the_final_norm(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str, pooling: str, norm: str, depth: int
) -> None:
    tower = tiny_tower(modality, name).eval()
    assert (tower.shape.pooling, tower.shape.depth, tower.shape.hidden_size) == (pooling, depth, 32)
    expected = every_state(tower, items)
    levels = (*range(depth + 1), OUTPUT)
    found = tower.states(items, levels)
    for level in range(depth):
        torch.testing.assert_close(found[level].expand(9, -1), pooled(tower, expected[level], items))
    assert len(found[0]) == (1 if pooling == "cls" else 9)
    final = tower.model.get_submodule(norm)(found[depth]) if norm else found[depth]
    torch.testing.assert_close(found[-1], final)
    assert torch.equal(tower(items), found[-1])
    assert torch.equal(tower.states(items, (OUTPUT, 1))[1], found[1])


@pytest.mark.parametrize(("modality", "name"), [family[:2] for family in FAMILIES])
@torch.no_grad()
def test_layers_above_the_last_one_read_are_not_run(
    tiny_tower: MakeTower, items: ItemInputs, modality: str, name: str
) -> None:
    tower = tiny_tower(modality, name).eval()
    before = tower.states(items, (0, 2))
    tower.drop_layers_above((0, 2))
    assert len(tower.layers) == 2
    assert all(map(torch.equal, before, tower.states(items, (0, 2))))
    untouched = tiny_tower(modality, name)
    untouched.drop_layers_above((1, OUTPUT))
    assert len(untouched.layers) == untouched.shape.depth


def test_hooks_are_gone_after_a_failure(tiny_tower: MakeTower) -> None:
    tower = tiny_tower("text", "bert")
    with pytest.raises(BenchError, match="no texts"):
        tower.states(ItemInputs(torch.arange(2)), (0, 1))
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in tower.layers)
    with pytest.raises(BenchError, match="no pixels"):
        tiny_tower("image", "vit")(ItemInputs(torch.arange(2)))


@pytest.mark.parametrize(("modality", "name"), [("text", "bert"), ("image", "vit"), ("image", "dinov2")])
def test_parts_that_nothing_reads_are_not_trained(tiny_tower: MakeTower, modality: str, name: str) -> None:
    trained = [key for key, parameter in tiny_tower(modality, name).named_parameters() if parameter.requires_grad]
    assert not any("pooler" in key or "mask_token" in key for key in trained)


@torch.no_grad()
def test_pictures_of_another_side_than_the_model_s(tiny_tower: MakeTower) -> None:
    pixels = torch.randint(0, 256, (2, 3, 24, 24), dtype=torch.uint8)
    for name in ("vit", "dinov2", "clip"):
        assert tiny_tower("image", name)(ItemInputs(torch.arange(2), pixels=pixels)).shape == (2, 32)


def test_normalisation_comes_from_the_model_s_preprocessor(model_folder: Folder, tmp_path: Path) -> None:
    folder = copy_of(model_folder("vit"), tmp_path)
    source = BackboneSource("image", str(folder))
    before = source.fingerprint()
    assert source.normalisation == ([0.5] * 3, [0.5] * 3)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5]}')
    changed = BackboneSource("image", str(folder))
    tower = changed.tower()
    assert isinstance(tower, Tower)
    assert (255 - tower.mean.flatten()).div(tower.std.flatten()).tolist() == pytest.approx([3.0, 2.0, 0.8])
    assert changed.fingerprint() != before


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"', '{"image_mean": 3}', '{"image_std": [0, 0, 0]}', "{"])
def test_a_preprocessor_of_other_content_is_refused(model_folder: Folder, tmp_path: Path, content: str) -> None:
    folder = copy_of(model_folder("vit"), tmp_path)
    (folder / "preprocessor_config.json").write_text(content)
    with pytest.raises(BenchError, match=r"preprocessor_config\.json: "):
        _ = BackboneSource("image", str(folder)).normalisation


def test_a_hub_model_s_normalisation_is_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "preprocessor_config.json"
    file.write_text('{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}')
    asked: list[tuple[str, str]] = []

    def download(location: str, name: str) -> str:
        asked.append((location, name))
        return str(file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert BackboneSource("image", "clip-b32").normalisation == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert asked == [("openai/clip-vit-base-patch32", "preprocessor_config.json")]
    assert BackboneSource("image", "clip-b32", "random").normalisation == ([0.5] * 3, [0.5] * 3)
    assert len(asked) == 1


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_model_without_a_preprocessor_is_no_model_out_of_reach(
    offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(location: str, name: str) -> str:
        raise (LocalEntryNotFoundError(f"{location}: {name} not cached") if offline else EntryNotFoundError(name))

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    source = BackboneSource("image", "clip-b32")
    if offline:
        with pytest.raises(BenchError, match="image backbone 'clip-b32' cannot be loaded"):
            _ = source.normalisation
    else:
        assert source.normalisation == ([0.5] * 3, [0.5] * 3)


def copy_of(folder: Path, target: Path) -> Path:
    copied = target / folder.name
    copied.mkdir()
    for path in folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    return copied


def test_fingerprints_follow_the_files(model_folder: Folder, tmp_path: Path) -> None:
    folder = copy_of(model_folder("bert"), tmp_path)

    def now() -> str:
        return BackboneSource("text", str(folder)).fingerprint()

    first = now()
    assert first == BackboneSource("text", str(model_folder("bert"))).fingerprint()
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    second = now()
    assert second != first
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert now() not in {first, second}
    assert BackboneSource("text", str(folder), "random").fingerprint() not in {first, second}


def test_the_digest_of_loaded_weights_follows_the_weights(model_folder: Folder) -> None:
    digests = [BackboneSource("text", str(model_folder(name))).weights_digest() for name in ("bert", "bert", "qwen2")]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_random_weights_are_always_the_same_and_not_those_of_the_folder(model_folder: Folder) -> None:
    source = BackboneSource("text", str(model_folder("bert")), "random")
    first, again = source.tower().state_dict(), source.tower().state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    stored = BackboneSource("text", str(model_folder("bert"))).tower().state_dict()
    key = "model.embeddings.word_embeddings.weight"
    assert not torch.equal(first[key], stored[key])


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_loading_leaves_the_generator_alone(model_folder: Folder, tmp_path: Path, weights: Any) -> None:
    folder = copy_of(model_folder("bert"), tmp_path)
    state = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in state.items() if "pooler" not in key}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})  # transformers makes a pooler up
    torch.manual_seed(3)
    BackboneSource("text", str(folder), weights).tower()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert-bas", "unknown text backbone 'bert-bas': did you mean 'bert-base'"),
        ("./nowhere", r"unknown text backbone '\./nowhere'"),
        ("a/b/c", "unknown text backbone 'a/b/c'"),
    ],
)
def test_unknown_names_are_errors(name: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        _ = BackboneSource("text", name).location


def test_folders_that_are_no_model_are_errors(model_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no config\.json"):
        _ = BackboneSource("text", str(tmp_path)).location
    (tmp_path / "config.json").write_bytes((model_folder("bert") / "config.json").read_bytes())
    with pytest.raises(BenchError, match=r"no \.safetensors weights .*--weights random"):
        _ = BackboneSource("text", str(tmp_path)).location
    assert BackboneSource("text", str(tmp_path), "random").tower().shape.hidden_size == 32
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(BenchError, match="cannot be loaded"):
        BackboneSource("text", str(tmp_path)).tower()


def test_files_that_lack_weights_are_an_error(model_folder: Folder, tmp_path: Path) -> None:
    folder = copy_of(model_folder("bert"), tmp_path)
    state = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in state.items() if "layer.2.attention" not in key}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BenchError, match=r"files lack 10 weights, encoder\.layer\.2\.attention\.output\.LayerNorm\.bias"
    ):
        BackboneSource("text", str(folder)).tower()


def test_a_model_that_is_not_at_hand_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BenchError, match=r"'nobody/nothing' cannot be loaded .*--weights random"):
        BackboneSource("text", "nobody/nothing").tower()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("micro", ("micro", "micro")),
        ("clip-b32", ("clip-b32", "clip-b32")),
        ("bert-base+vit-base", ("bert-base", "vit-base")),
        ("../a+b/c", ("../a", "b/c")),
    ],
)
def test_pairs(name: str, expected: tuple[str, str]) -> None:
    assert parse_pair(name) == expected


@pytest.mark.parametrize("name", ["micr", "bert-base", "+vit-base", "bert-base+"])
def test_bad_pairs_are_errors(name: str) -> None:
    with pytest.raises(BenchError, match="unknown pair of backbones"):
        parse_pair(name)


def test_pooling_can_be_chosen(model_folder: Folder) -> None:
    assert BackboneSource("text", str(model_folder("bert")), pooling="last").shape.pooling == "last"
    assert BackboneSource("text", str(model_folder("qwen2")), pooling="cls").shape.pooling == "cls"
    assert BackboneSource("image", str(model_folder("clip"))).shape.pooling == "cls"


def test_a_chosen_pooling_stands_above_one_of_the_folder_that_is_not_done(model_folder: Folder, tmp_path: Path) -> None:
    folder = copy_of(model_folder("bert"), tmp_path)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(BenchError, match="give --set text_pooling=mean"):
        _ = BackboneSource("text", str(folder)).shape
    assert BackboneSource("text", str(folder), pooling="mean").shape.pooling == "mean"


def test_weights_that_are_no_numbers_are_an_error(model_folder: Folder, tmp_path: Path) -> None:
    folder = copy_of(model_folder("bert"), tmp_path)
    state = load_file(folder / "model.safetensors")
    state = {key: value * float("nan") if "query.weight" in key else value for key, value in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match="not finite"):
        BackboneSource("text", str(folder)).tower()


def test_causal_models_keep_no_keys_for_generation(tiny_tower: MakeTower, items: ItemInputs) -> None:
    tower = tiny_tower("text", "qwen2")
    assert items.text is not None
    assert tower.model(input_ids=items.text.ids).past_key_values is None


def test_named_backbones_have_the_published_shapes() -> None:
    text = BackboneSource("text", "bert-base", "random").shape
    image = BackboneSource("image", "vit-base", "random").shape
    assert text == TowerShape("text", 768, 12, "cls", shares_first_state=True)
    assert image == TowerShape("image", 768, 12, "cls", shares_first_state=True, prefix=1)
    clip = [BackboneSource("text", "clip-b32", "random").shape, BackboneSource("image", "clip-b32", "random").shape]
    assert clip == [
        TowerShape("text", 512, 12, "last", place="last"),
        TowerShape("image", 768, 12, "cls", True, prefix=1),
    ]


def test_a_model_without_a_stack_of_layers_is_an_error() -> None:
    class Bag(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(20, 8)
            self.maps = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(3))

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
            words = self.words(input_ids)
            return SimpleNamespace(last_hidden_state=sum(linear(words) for linear in self.maps))

    with pytest.raises(BenchError, match=r"Bag: no stack of layers found: looked for a list.*; there are maps; choose"):
        tower_of(Bag())


def test_a_tower_is_loaded_when_first_asked_for(model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"text": BackboneSource("text", str(model_folder("bert")))}
    loads: list[str] = []
    real = BackboneSource.tower
    monkeypatch.setattr(BackboneSource, "tower", lambda self: loads.append(self.name) or real(self))
    backbones = Backbones.of(sources, 5)
    assert (backbones.modalities, backbones.items, loads) == (["text"], 5, [])
    assert backbones.tower("text") is backbones.tower("text")
    assert len(loads) == 1


def test_generated_states_tell_items_apart_and_share_the_first() -> None:
    sources = {"text": BackboneSource("text", "generated")}
    tower = sources["text"].tower()
    states = tower.states(ItemInputs(torch.arange(1, 500)), (0, 6, 12, OUTPUT))
    assert [tuple(level.shape) for level in states] == [(1, 64), (499, 64), (499, 64), (499, 64)]
    assert len(states[1].unique(dim=0)) == 499
    assert torch.equal(tower.states(ItemInputs(torch.tensor([7])), (6,))[0][0], states[1][6])
    assert sources["text"].shape == TowerShape("text", 64, 12, "cls", shares_first_state=True)
    with pytest.raises(BenchError, match="no layers to run or adapt; use a cached method"):
        Backbones.of(sources, 5).tower("text")


@torch.no_grad()
def test_titles_padded_to_another_length_give_the_same_output(tiny_tower: MakeTower, tiny_content: RawContent) -> None:
    for name in ("bert", "qwen2", "clip"):
        tower = tiny_tower("text", name).eval()
        alone = torch.cat([tower(tiny_content.gather(torch.tensor([item]))) for item in range(1, 10)])
        torch.testing.assert_close(alone, tower(tiny_content.gather(torch.arange(1, 10))), atol=1e-5, rtol=1e-4)
        assert np.ptp(alone.numpy(), axis=0).max() > 0.01
