"""Features that a dataset brings as a tower of one state: what reads them, and what is refused."""

import numpy as np
import pytest
import torch
from features_shop import IMAGE_WIDTH, ITEMS, TEXT_WIDTH, write
from torch.nn import functional

from tests.cells import trained
from tpmebench.cell import BackboneChoice, Cell
from tpmebench.datasets.sources.folder import Folder
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.features.misfit import misfit
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.inputs import ItemInputs
from tpmebench.methods.registry import make_method, methods

BOTH = ("text", "image")
RUN = {"frozen-cached", "popularity", "random", "content-knn", "sasrec-id"}
"""The methods that need no layers and no weights, as they are by default."""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "vectors"
    folder.mkdir()
    return folder, write(folder)


def test_a_dataset_of_features_alone_loads_with_them_in_catalogue_order(shop) -> None:
    folder, vectors = shop
    dataset = load_dataset(str(folder), features=BOTH)
    catalogue = dataset.catalogue
    assert (catalogue.modalities, catalogue.texts, catalogue.images) == (BOTH, None, None)
    rows = [int(item[1:]) for item in catalogue.ids[1:]]
    assert 7 not in rows
    for name in BOTH:
        read = catalogue.features[name].read(np.arange(catalogue.size))
        np.testing.assert_array_equal(read, vectors[name][rows].astype(np.float32))
    assert dataset.facts["text features"] == f"float32, {TEXT_WIDTH} wide"
    assert dataset.facts["image features"] == f"float64, {IMAGE_WIDTH} wide"
    assert (dataset.facts["missing text features"], dataset.facts["missing image features"]) == (1, 0)


def test_items_kept_without_a_row_have_zeros_and_are_counted(shop) -> None:
    folder, _ = shop
    with (folder / "ratings.csv").open("a") as file:
        file.write("".join(f"new,{item}\n" for item in ("i1", "i2", "ghost", "i4", "i5", "i6")))
    with (folder / "dataset.toml").open("a") as file:
        file.write('\n[policies]\nmissing_items = "keep"\n')
    dataset = load_dataset(str(folder), features=BOTH)
    ghost = list(dataset.catalogue.ids).index("ghost") - 1
    assert not dataset.catalogue.features["image"].read(np.array([ghost])).any()
    assert (dataset.facts["missing text features"], dataset.facts["missing image features"]) == (2, 1)


@pytest.mark.parametrize(
    ("modalities", "features", "message"),
    [
        ("both", (), "has no pictures, but features of them: use --backbones features"),
        ("text", (), "has no texts, but features of them: use --backbones features"),
    ],
)
def test_features_are_named_where_texts_or_pictures_are_asked_for(shop, modalities, features, message) -> None:
    with pytest.raises(BenchError, match=message):
        load_dataset(str(shop[0]), modalities=modalities, features=features)


def test_features_that_a_dataset_lacks_are_named(shop) -> None:
    folder, _ = shop
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace('image = "image_feat.npy"\n', ""))
    with pytest.raises(BenchError, match="has no image features: use --modalities text, or another image tower"):
        load_dataset(str(folder), features=BOTH)
    assert load_dataset(str(folder), modalities="text", features=BOTH).catalogue.modalities == ("text",)
    with pytest.raises(BenchError, match="has no pictures: "):
        load_dataset(str(folder), features=("text",))
    with pytest.raises(BenchError, match="has no image features: name towers with --backbones"):
        load_dataset("bazaar:items=60,users=40", features=BOTH)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vectors: vectors[:-1], f"{ITEMS - 1} rows for {ITEMS} items"),
        (lambda vectors: np.where(np.arange(ITEMS)[:, None] == 4, np.nan, vectors), r"row 4 \(from 0\)"),
    ],
)
def test_a_file_that_does_not_fit_the_items_is_named(shop, change, message) -> None:
    folder, vectors = shop
    np.save(folder / "image_feat.npy", change(vectors["image"]))
    with pytest.raises(BenchError, match=rf"image_feat\.npy.*{message}"):
        load_dataset(str(folder), features=BOTH)


def test_the_fingerprint_covers_the_numbers_and_whose_they_are(shop) -> None:
    folder, vectors = shop
    before = Folder(folder, None).fingerprint()
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace('text = "text_feat.npy"\n', ""))
    assert Folder(folder, None).fingerprint() != before
    (folder / "dataset.toml").write_text(text)
    assert Folder(folder, None).fingerprint() == before
    vectors["image"][0, 0] += 1
    np.save(folder / "image_feat.npy", vectors["image"])
    assert Folder(folder, None).fingerprint() != before


def test_features_lie_where_the_description_may_look(shop, tmp_path) -> None:
    folder, vectors = shop
    np.save(tmp_path / "outside.npy", vectors["text"])
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace("text_feat.npy", "../outside.npy"))
    with pytest.raises(BenchError, match=r"features\.text: .*is outside the description's folder"):
        Folder(folder, None).read()


@torch.no_grad()
def test_frozen_cached_projects_the_features_themselves(shop) -> None:
    folder, vectors = shop
    choice = BackboneChoice(text="features", image="features")
    parts = trained(Cell(method="frozen-cached", dataset=str(folder), backbones=choice))
    encoder = parts.recommender.item_encoder.eval()
    assert isinstance(encoder, FusedEncoder)
    items = torch.tensor([5, 1, 12])
    rows = [int(str(parts.dataset.catalogue.ids[int(item)])[1:]) for item in items]
    by_hand = []
    for name in ("image", "text"):
        states = torch.from_numpy(vectors[name][rows].astype(np.float16).astype(np.float32))
        by_hand.append(functional.gelu(encoder.projections[name](states)))
    expected = encoder.fusion(torch.cat(by_hand, 1))
    torch.testing.assert_close(encoder(parts.content.gather(items)), expected)


def test_every_method_runs_on_features_or_says_why_not(shop) -> None:
    features = load_dataset(str(shop[0]), features=BOTH).catalogue.features
    sources = {name: BackboneSource(name, "features", features=features[name]) for name in BOTH}
    refused = {name: misfit(make_method(name), sources.values()) for name in methods()}
    assert {name for name, why in refused.items() if not why} == RUN
    for name, why in refused.items():
        assert not why or (why.startswith(f"method '{name}'") and why.endswith("use frozen-cached or content-knn")), why


def test_one_tower_of_layers_beside_features_is_no_excuse() -> None:
    sources = [BackboneSource("text", "features"), BackboneSource("image", "micro")]
    assert "runs the text tower" in misfit(make_method("lora"), sources)
    assert not misfit(make_method("frozen-cached"), sources)
    assert not misfit(make_method("lora"), sources[1:])


def test_no_item_has_zeros_and_layers_are_refused(shop) -> None:
    features = load_dataset(str(shop[0]), features=BOTH).catalogue.features["text"]
    source = BackboneSource("text", "features", features=features)
    found = source.tower().states(ItemInputs(torch.tensor([0, 2])), (0, -1))
    assert [tuple(level.shape) for level in found] == [(2, TEXT_WIDTH)] * 2
    assert not found[0][0].any()
    np.testing.assert_array_equal(found[1][1].numpy(), features.read(np.array([1]))[0])
    with pytest.raises(BenchError, match="one state an item and no layers; use frozen-cached or content-knn"):
        Backbones.of({"text": source}, 5).tower("text")
