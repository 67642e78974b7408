"""Backbones before the first cell: what loads and runs is let through, and what doesn't is one line that names it."""

import json
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from bounds import bounded, examples
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from schemas import strange

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.check import DoesNotFit, check_backbone
from tpmebench.methods.backbones.source import BackboneSource

Folder = Callable[[str], Path]
Copy = Callable[..., Path]


@pytest.fixture
def copied(model_folder: Folder, tmp_path: Path) -> Copy:
    """A copy of a tiny model with a tokenizer, keys of its configuration changed: `copied("bert", hidden_size=7)`."""

    def copy(name: str, **config: Any) -> Path:
        folder = tmp_path / name
        shutil.copytree(model_folder(name), folder)
        _write_tokenizer(folder, 100)
        _change(folder, config)
        return folder

    return copy


def _write_tokenizer(folder: Path, words: int) -> None:
    from tokenizers import Tokenizer, models

    vocabulary = {f"w{number}": number for number in range(words)}
    Tokenizer(models.WordLevel(vocabulary, "w0")).save(str(folder / "tokenizer.json"))


def _change(folder: Path, config: dict[str, Any]) -> None:
    whole = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(whole), "utf-8")


def check(modality: Any, folder: Path | str, weights: Any = "pretrained", length: int = 30, side: int | None = None):
    check_backbone(BackboneSource(modality, str(folder), weights), length, side)


@pytest.mark.parametrize("weights", ["pretrained", "random"])
@pytest.mark.parametrize(
    ("modality", "name"),
    [("text", "bert"), ("text", "qwen2"), ("text", "clip"), ("image", "vit"), ("image", "dinov2"), ("image", "clip")],
)
def test_what_loads_and_runs_is_let_through(copied: Copy, modality: str, name: str, weights: str) -> None:
    check(modality, copied(name), weights, length=20)


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "BertForSequenceClassification", "BertForQuestionAnswering"])
def test_heads_of_other_tasks_are_let_through(copied: Copy, kind: str) -> None:
    import transformers

    folder = copied("bert")
    config = transformers.BertConfig.from_pretrained(folder)
    getattr(transformers, kind)(config).save_pretrained(folder)
    check("text", folder)
    assert BackboneSource("text", str(folder)).tower().shape.depth == 4


def test_weights_in_several_files_are_let_through(copied: Copy) -> None:
    import transformers

    folder = copied("bert")
    model = transformers.BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    assert (folder / "model.safetensors.index.json").exists()
    check("text", folder)
    min(folder.glob("model-*.safetensors")).unlink()
    with pytest.raises(BenchError, match=r"model-00001-.*: there is no such file"):
        check("text", folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"num_hidden_layers": 1}, ["its files hold 48 weights", "no place for", "encoder.layer.1"]),
        ({"num_hidden_layers": 5}, ["its files lack 16 weights", "encoder.layer.4"]),
        ({"intermediate_size": 60}, ["[64] in its files and [60] by its config.json"]),
        ({"num_hidden_layers": 10**6}, ["config.json: num_hidden_layers: 1000000 is more than 256"]),
        ({"num_attention_heads": 7}, ["not a multiple of the number of attention heads"]),
        ({"hidden_act": "nope"}, ["cannot be loaded", "nope"]),
        ({"hidden_dropout_prob": 3}, ["cannot be loaded", "dropout"]),
        ({"layer_norm_eps": -1.0}, ["epsilon of -1.0"]),
        ({"hidden_size": None}, ["hidden_size"]),
        ({"model_type": "unheard-of"}, ["unheard-of"]),
        ({"quantization_config": {"bits": 4}}, ["quantised"]),
        ({"model_type": "own", "auto_map": {"AutoConfig": "a.B", "AutoModel": "a.C"}}, ["custom code", "never run"]),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_configuration_that_is_not_that_of_the_weights_is_one_line(copied: Copy, config, words) -> None:
    folder = copied("bert", **config)
    with pytest.raises(BenchError) as caught:
        check("text", folder)
    assert str(caught.value).isprintable()
    for word in (str(folder), *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "dpt", "backbone": "owner/name", "is_hybrid": True}, "cannot be loaded"),
        ({"model_type": "detr", "backbone": "owner/name", "use_pretrained_backbone": True}, "use_pretrained_backbone"),
        ({"text_config": {"use_pretrained_backbone": True}}, r"text_config\.use_pretrained_backbone would be fetched"),
        ({"_attn_implementation": "owner/kernels"}, "_attn_implementation would be fetched"),
    ],
)
def test_a_folder_that_names_another_model_fetches_nothing(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], words: str
) -> None:
    asked = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *names, **_: asked.append(names) or [])
    folder = copied("bert", **config)
    for weights in ("pretrained", "random"):
        with pytest.raises(BenchError, match=words):
            check("text", folder, weights)
    assert asked == []
    assert not constants.HF_HUB_OFFLINE


def test_transformers_prints_nothing_of_a_configuration(copied: Copy, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copied("bert", sub_configs="\n::error::forged")
    capfd.readouterr()  # what making the folder printed
    with suppress(BenchError):
        check("text", folder)
    assert capfd.readouterr() == ("", "")


def test_tokenizers_prints_nothing_of_its_settings(copied: Copy, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copied("bert")
    token = {"content": "[UNK]", "\n::error::forged": True}
    (folder / "special_tokens_map.json").write_text(json.dumps({"unk_token": token}))
    capfd.readouterr()  # what making the folder printed
    with suppress(BenchError):
        check("text", folder)
    assert capfd.readouterr() == ("", "")
    print("printed")
    assert capfd.readouterr() == ("printed\n", "")


def test_integer_weights_a_damaged_file_and_an_adapter_are_refused(copied: Copy) -> None:
    folder = copied("bert")
    file = folder / "model.safetensors"
    state = load_file(file)
    save_file({key: value.to(torch.int8) for key, value in state.items()}, file, metadata={"format": "pt"})
    with pytest.raises(BenchError, match="its files lack"):
        check("text", folder)
    file.write_bytes(b"broken")
    with pytest.raises(BenchError, match=r"model\.safetensors: damaged"):
        check("text", folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BenchError, match="holds an adapter"):
        check("text", folder)


def test_an_adapter_alone_and_a_quantised_part_are_named(copied: Copy, tmp_path: Path) -> None:
    alone = tmp_path / "adapter"
    alone.mkdir()
    (alone / "adapter_config.json").write_text("{}")
    with pytest.raises(BenchError, match="holds an adapter"):
        check("text", alone)
    with pytest.raises(BenchError, match="a quantised checkpoint"):
        check("image", copied("clip", vision_config={"quantization_config": {"bits": 4}}))


def test_counters_beside_the_weights_are_no_weights(tmp_path: Path) -> None:
    import transformers

    settings: Any = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    transformers.ResNetModel(transformers.ResNetConfig(**settings)).save_pretrained(tmp_path)
    check("image", tmp_path, side=32)
    assert BackboneSource("image", str(tmp_path)).tower().shape.depth == 2


def test_of_an_encoder_decoder_the_encoder_s_files_are_enough(tmp_path: Path) -> None:
    import transformers

    settings: Any = {"vocab_size": 120, "d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 2, "num_heads": 2}
    transformers.T5EncoderModel(transformers.T5Config(**settings)).save_pretrained(tmp_path)
    _write_tokenizer(tmp_path, 100)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    check("text", tmp_path)
    assert BackboneSource("text", str(tmp_path)).anatomy.model == "T5Stack"


def test_an_attention_that_a_configuration_asks_for_is_not_needed(copied: Copy) -> None:
    check("text", copied("bert", _attn_implementation="flash_attention_2"))


def test_what_the_study_asks_is_held_against_the_model(copied: Copy) -> None:
    bert, vit = copied("bert", max_position_embeddings=16), copied("vit")
    with pytest.raises(BenchError, match=r"text_length: 30 tokens.*16 positions; give --set text_length=16 or less"):
        check("text", bert, "random")
    check("text", bert, "random", length=16)
    with pytest.raises(BenchError, match=r"image_side: 20 pixels.*patches of 8.*give --set image_side=16"):
        check("image", vit, side=20)
    check("image", vit, side=24)
    with pytest.raises(BenchError, match=r"image_side: 33 pixels.*'micro'"):
        check("image", "micro", side=33)
    with pytest.raises(BenchError, match=r"text_length: 100 tokens.*'micro' has 64 positions"):
        check("text", "micro", length=100)


def test_a_size_that_only_running_refuses_does_not_fit_and_one_that_fits_is_named(tmp_path: Path) -> None:
    import transformers

    staged: Any = {"hidden_sizes": [8] * 4, "depths": [1] * 4, "num_attention_heads": [1] * 4, "image_size": 64}
    transformers.PvtModel(transformers.PvtConfig(**staged)).save_pretrained(tmp_path)
    check("image", tmp_path, side=64)
    for side in (50, 96):
        with pytest.raises(DoesNotFit, match=rf"image_side: {side} pixels.*give --set image_side=64"):
            check("image", tmp_path, side=side)


def test_the_longest_text_that_only_running_shows_is_found_in_few_runs(
    copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    folder = copied("bert")
    runs, forward = list[int](), transformers.BertModel.forward

    def counted(model: Any, input_ids: Any) -> Any:
        runs.append(input_ids.shape[1])
        return forward(model, input_ids)

    monkeypatch.setattr(transformers.BertModel, "forward", counted)
    monkeypatch.setattr("tpmebench.methods.backbones.check.longest_text", lambda _: None)  # a table of another name
    for positions, length, told in ((13, 30, 13), (16, 17, 16), (21, 100_000, 21)):
        runs.clear()
        _change(folder, {"max_position_embeddings": positions})
        with pytest.raises(DoesNotFit, match=rf"text_length: {length} tokens.*give --set text_length={told}$"):
            check("text", folder, "random", length=length)
        assert len(runs) < 2 * length.bit_length()
    runs.clear()
    _change(folder, {"max_position_embeddings": 3})
    with pytest.raises(BenchError, match="cannot be loaded") as caught:  # of no length that a study may ask for
        check("text", folder, "random", length=100_000)
    assert not isinstance(caught.value, DoesNotFit) and min(runs) == 4 and len(runs) < 20


def test_a_tower_that_normalises_over_items_is_tried_with_two(tmp_path: Path) -> None:
    import transformers

    small: Any = {"hidden_sizes": [16] * 3, "num_attention_heads": [1] * 3, "depths": [1] * 3, "key_dim": [8] * 3}
    transformers.LevitModel(transformers.LevitConfig(image_size=64, **small)).save_pretrained(tmp_path)
    check("image", tmp_path, side=64)


def test_a_padding_index_takes_its_share_of_the_positions(tmp_path: Path) -> None:
    import transformers

    size: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = transformers.RobertaConfig(**size, vocab_size=50, max_position_embeddings=34, pad_token_id=1)
    config.save_pretrained(tmp_path)
    check("text", tmp_path, "random", length=32)
    with pytest.raises(BenchError, match=r"33 tokens.*32 positions"):
        check("text", tmp_path, "random", length=33)


def test_a_tokenizer_of_another_model_is_refused(copied: Copy) -> None:
    folder = copied("bert")
    _write_tokenizer(folder, 121)
    with pytest.raises(BenchError, match=r"its tokenizer has 12\d tokens and its config\.json a vocab_size of 120"):
        check("text", folder)


@pytest.mark.parametrize("name", ["n" * 400, "~nobody-of-this-name/model", "a\0b"])
def test_a_name_that_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(BenchError, match="text backbone") as caught:
        check("text", name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("modality", "name", "usual"), [("text", "bert", 20), ("image", "vit", 10)])
def test_a_model_folder_is_read_or_refused_whatever_its_settings_hold(
    copied: Copy, modality: str, name: str, usual: int
) -> None:
    folder = copied(name)
    check(modality, folder)  # what is imported once is no part of the time
    written = json.loads((folder / "config.json").read_text())
    configs = st.dictionaries(st.sampled_from([*sorted(written), "auto_map", "text_config"]), strange(), max_size=2)
    pixels = st.dictionaries(st.sampled_from(["image_mean", "image_std"]), strange(), max_size=2)

    @settings(max_examples=examples(usual))
    @given(configs.map(lambda changes: written | changes), pixels | strange())
    def holds(config: dict[str, Any], preprocessor: Any) -> None:
        for file, content in (("config.json", config), ("preprocessor_config.json", preprocessor)):
            (folder / file).write_text(json.dumps(content, default=str), "utf-8")
        for weights in ("pretrained", "random"):
            with suppress(AssertionError), bounded():
                check(modality, folder, weights)  # which may import a part of transformers
            with bounded(str(folder)):
                check(modality, folder, weights)

    holds()
