"""The built-in backbones: what is committed loads, is small, and knows what its card says it knows."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer

from tpmebench.datasets.bazaar.shop import EMBLEMS, BazaarOptions, stock
from tpmebench.datasets.bazaar.words import BRANDS, MATERIALS, Titles
from tpmebench.methods.micro import recipe as micro_recipe
from tpmebench.methods.micro.probe import probe, tokens
from tpmebench.methods.micro.recipe import FOLDER, image_model, text_model
from tpmebench.methods.micro.world import World


def load(modality: str):
    return AutoModel.from_pretrained(FOLDER / modality, add_pooling_layer=False)


@pytest.fixture(scope="module")
def tokenizer():
    backend = AutoTokenizer.from_pretrained(FOLDER / "text").backend_tokenizer
    backend.enable_padding()
    return backend


def card_rows() -> dict[str, tuple[float, ...]]:
    """The card's probe table: attribute → pretrained, random weights, margin, chance."""
    rows = re.findall(r"^\| ((?:text|image) \w+) \|(.*)\|$", (FOLDER / "CARD.md").read_text(encoding="utf-8"), re.M)
    return {name: tuple(float(cell) for cell in cells.split("|")) for name, cells in rows}


def test_files_are_small_float32_and_the_whole_is_under_3_mb() -> None:
    assert (
        sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
        < 3_000_000
    )
    for modality in ("text", "image"):
        model, loading = AutoModel.from_pretrained(FOLDER / modality, add_pooling_layer=False, output_loading_info=True)
        assert not any(loading.values())
        assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000
        with safe_open(FOLDER / modality / "model.safetensors", "pt") as weights:
            kinds = {weights.get_tensor(name).dtype for name in list(weights.keys())}
            assert kinds == {torch.float32}


def test_tokenizer_spells_what_it_does_not_know_and_has_berts_special_tokens(tokenizer) -> None:
    pieces = tokenizer.encode("velmora oak mug 350").tokens
    assert (pieces[0], pieces[-1]) == ("[CLS]", "[SEP]")
    assert "[UNK]" not in pieces
    assert {"oak", "mug"} < set(pieces)
    assert "velmora" not in pieces
    wrapped = AutoTokenizer.from_pretrained(FOLDER / "text")
    assert (wrapped.pad_token_id, wrapped.cls_token, wrapped.mask_token) == (0, "[CLS]", "[MASK]")
    assert wrapped("Oak MUG")["input_ids"] == tokenizer.encode("oak mug").ids
    category, brand, material = stock(BazaarOptions()).attributes[:500].T[:3]
    ids, _ = tokens(tokenizer, Titles(0, brand, material, category)[:])
    assert ids.shape[1] <= 30
    assert tokenizer.token_to_id("[UNK]") not in ids


def test_the_probe_beats_random_weights_by_the_margin_on_the_card(tokenizer) -> None:
    measured = probe(load("text"), load("image"), tokenizer, items=2000)
    torch.manual_seed(1)
    random = probe(text_model(), image_model(), tokenizer, items=2000)
    card = card_rows()
    assert card.keys() == measured.keys()
    for name, (pretrained, untrained, margin, final, untrained_final, chance) in card.items():
        assert margin == pytest.approx(pretrained - untrained, abs=0.0011)
        assert measured[name] == pytest.approx((pretrained, final), abs=0.01)
        assert random[name] == pytest.approx((untrained, untrained_final), abs=0.05)
        assert margin > 0.02
        assert measured[name][0] - random[name][0] > margin - 0.05
        assert pretrained > 1.5 * chance
    for modality in ("text", "image"):
        assert np.mean([row[2] for name, row in card.items() if name.startswith(modality)]) > 0.08


def test_the_world_of_pretraining_has_none_of_the_shops_brands_or_emblems(monkeypatch: pytest.MonkeyPatch) -> None:
    items = World(np.random.default_rng(0)).items(300)
    first, second = items.titles
    assert first.vocabulary is second.vocabulary
    assert set(MATERIALS) < set(first.vocabulary.materials)
    spoken = {word for title in first[:] for word in title.split()}
    assert not spoken & set(BRANDS)
    assert any(one != other for one, other in zip(first[:20], second[:20], strict=True))

    drawn = []
    monkeypatch.setattr("tpmebench.methods.micro.world.draw", lambda looks, side: drawn.append(looks))
    items.drawn(slice(None))
    one, other = drawn
    assert (one.emblem == other.emblem).all()
    assert (one.lobes == other.lobes).all()
    assert not (one.key == other.key).any()
    assert (one.emblem[:, None] != EMBLEMS[None]).any(axis=(2, 3)).all()


def test_the_recipe_repeats_itself_and_writes_what_loads(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_recipe, "STEPS", 2)
    monkeypatch.setattr(micro_recipe, "ALIGN_STEPS", 1)
    monkeypatch.setattr(micro_recipe, "RANDOM_SEEDS", (1,))
    monkeypatch.setattr(micro_recipe, "BATCH", 32)
    threads = torch.get_num_threads()
    try:
        for name in ("one", "two"):
            micro_recipe.main(tmp_path / name)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    committed = sorted(
        path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    )
    assert files == committed
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    for side in ("text", "image"):
        written, kept = (
            json.loads((folder / side / "config.json").read_text()) for folder in (tmp_path / "one", FOLDER)
        )
        changing = ("vocab_size", "transformers_version")  # of so few items come fewer pieces
        assert written | dict.fromkeys(changing) == kept | dict.fromkeys(changing)
