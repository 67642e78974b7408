"""What running a model shows: from folders as people have them, remembered, or refused."""

import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cells import tower_of
from torch import Tensor, nn

from tpmebench.errors import BenchError
from tpmebench.methods.backbones import source as sources
from tpmebench.methods.backbones.anatomy import Anatomy, Level
from tpmebench.methods.backbones.preprocessing import PretrainedTokenizer
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.stated_pooling import POOLING_FILE, stated_pooling
from tpmebench.methods.backbones.tower import Tower

T5: dict[str, Any] = {"d_model": 16, "d_ff": 24, "d_kv": 8, "num_layers": 2, "num_heads": 2, "vocab_size": 60}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tpmebench.methods.backbones.memory._asked", {})


@pytest.mark.parametrize("kind", ["T5EncoderModel", "T5Model"])
def test_an_encoder_decoder_gives_its_encoder_whatever_its_folder_holds(tmp_path: Path, kind: str) -> None:
    import transformers

    getattr(transformers, kind)(transformers.T5Config(**T5)).save_pretrained(tmp_path / "t5")
    source = BackboneSource("text", str(tmp_path / "t5"))
    assert (source.anatomy.model, source.shape.depth, source.shape.pooling) == ("T5Stack", 2, "cls")


def test_a_model_is_asked_once(model_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = BackboneSource("text", str(model_folder("bert"))).anatomy
    monkeypatch.setattr("tpmebench.methods.backbones.memory._asked", {})
    monkeypatch.setattr(sources, "load_model", lambda *_: pytest.fail("loaded again"))
    assert BackboneSource("text", str(model_folder("bert"))).anatomy == first


def test_a_tower_is_loaded_once_to_be_asked_and_loses_nothing(
    model_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load = list[str](), sources.load_model
    monkeypatch.setattr(sources, "load_model", lambda where, *more: (loads.append(where), load(where, *more))[1])
    source = BackboneSource("text", str(model_folder("bert")))
    first = source.tower()
    assert isinstance(first, Tower) and source.anatomy.droppable and len(loads) == 1
    again = source.tower()
    assert isinstance(again, Tower) and [*map(str, again.modules())] == [*map(str, first.modules())]
    for (name, one), (_, other) in zip(first.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(one, other), name


def test_asking_a_model_that_draws_numbers_leaves_the_generator_alone(tmp_path: Path) -> None:
    import transformers

    size: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    transformers.ViTMAEModel(transformers.ViTMAEConfig(**size, image_size=32, patch_size=8)).save_pretrained(tmp_path)
    before = torch.get_rng_state()
    assert BackboneSource("image", str(tmp_path)).anatomy.masks
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pooler_that_the_files_lack_is_refused_whoever_chose_it() -> None:
    level = Level(width=4)
    found = Anatomy(
        model="M", layers=("a",), stack="s", levels=(level, level), output=level, pooled=4, own="pooler",
        made_up=("pooler.dense.weight",), unread=("pooler.dense.weight",),
    )  # fmt: skip
    for chosen in ("auto", "pooler"):
        with pytest.raises(BenchError, match=r"text_pooling: the files of M lack pooler\.dense\.weight"):
            found.pooling("text", chosen)
    assert found.pooling("text", "mean") == "mean"


def test_a_damaged_memory_is_no_obstacle(model_folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = BackboneSource("text", str(model_folder("bert"))).anatomy
    for path in (tmp_path / "cache" / "towers").glob("*.json"):
        path.write_text('{"model": 3}')
    monkeypatch.setattr("tpmebench.methods.backbones.memory._asked", {})
    assert BackboneSource("text", str(model_folder("bert"))).anatomy == first


class Tiny(nn.Module):
    """An encoder of two layers that does something wrong with what its first layer takes."""

    def __init__(self, wrong: Any) -> None:
        super().__init__()
        self.words, self.wrong = nn.Embedding(20, 6), wrong
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.config = SimpleNamespace()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        states = self.wrong(self.words(input_ids))
        for layer in self.layers:
            states = layer(states)
        return SimpleNamespace(last_hidden_state=states)


def test_a_model_of_hidden_randomness_is_refused() -> None:
    with pytest.raises(BenchError, match="gives the same item other states each time"):
        tower_of(Tiny(lambda states: states + torch.tensor(random.random())))


@torch.no_grad()
def test_texts_of_one_length_run_together_where_padding_is_seen() -> None:
    tower = tower_of(Tiny(lambda states: states + states.mean(1, keepdim=True)), "cls").eval()
    assert tower.anatomy.sees_padding and not tower_of(Tiny(lambda states: states)).anatomy.sees_padding
    from tpmebench.methods.inputs import ItemInputs, TokenBatch

    ids = torch.tensor([[1, 5, 0], [1, 5, 7], [1, 9, 0]])
    inputs = ItemInputs(torch.arange(3), text=TokenBatch(ids, (ids > 0).long()))
    alone = torch.cat([tower(inputs.rows(torch.tensor([k]))) for k in range(3)])
    torch.testing.assert_close(tower(inputs), alone)
    torch.testing.assert_close(
        tower.states(inputs, (1,))[0],
        torch.cat([tower.states(inputs.rows(torch.tensor([k])), (1,))[0] for k in range(3)]),
    )


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
)
def test_a_sentence_transformers_folder_says_how_it_is_pooled(
    model_folder: Any, tmp_path: Path, settings: Any, place: str
) -> None:
    folder = Path(shutil.copytree(model_folder("bert"), tmp_path / "bert"))
    before = BackboneSource("text", str(folder))
    assert (before.shape.pooling, stated_pooling(folder), known := before.fingerprint())[:2] == ("cls", None)
    (folder / "1_Pooling").mkdir()
    (folder / POOLING_FILE).write_text(json.dumps(settings))
    source = BackboneSource("text", str(folder))
    assert source.shape.pooling == place and source.fingerprint() != known
    assert BackboneSource("text", str(folder), pooling="cls").shape.pooling == "cls"


@pytest.mark.parametrize("settings", [[], {"pooling_mode_max_tokens": True}, {"pooling_mode": "weightedmean"}])
def test_a_pooling_that_is_not_done_here_is_refused(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / POOLING_FILE).write_text(json.dumps(settings))
    with pytest.raises(BenchError, match=r"1_Pooling/config\.json: "):
        stated_pooling(tmp_path)


def test_a_pooling_that_a_model_has_not_got_is_refused(model_folder: Any) -> None:
    with pytest.raises(BenchError, match=r"text_pooling: Qwen2Model has no pooled output"):
        _ = BackboneSource("text", str(model_folder("qwen2")), pooling="pooler").shape
    with pytest.raises(BenchError, match=r"image_pooling: ViTModel reads pictures, which have no last token"):
        _ = BackboneSource("image", str(model_folder("vit")), pooling="last").shape


def test_sentencepiece_alone_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tpmebench.methods.backbones.preprocessing.find_spec", lambda name: None)
    (tmp_path / "spiece.model").write_bytes(b"\n\x07\n\x03a\x15\x00\x00\x00\x00")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(BenchError, match=r"sentencepiece.*pip install 'tpme-bench\[sentencepiece\]'"):
        PretrainedTokenizer(str(tmp_path))


def test_a_long_title_is_cut_at_its_end_whatever_side_its_tokenizer_pads_and_cuts(tmp_path: Path) -> None:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({f"w{number}": number for number in range(9)}, "w0"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    sides: dict[str, Any] = {"padding_side": "left", "truncation_side": "left"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **sides).save_pretrained(tmp_path)
    assert PretrainedTokenizer(str(tmp_path)).encode(["w1 w2 w3 w4 w5", "w6"], 3) == [[1, 2, 3], [6]]


def test_show_says_what_a_tower_is(capsys: pytest.CaptureFixture[str]) -> None:
    from tpmebench.bench.commands.show import show_backbone

    show_backbone("micro")
    said = capsys.readouterr().out
    for words in ("text tower", "image tower", "BertModel", "ViTModel", "cls", "the same for every item", "32 pixels"):
        assert words in said
