"""Datasets by name, their modalities, and what happens to items without a picture."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tpmebench.datasets.bazaar.shop import BazaarOptions
from tpmebench.datasets.sources.bazaar import Bazaar
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import ENTRY_POINTS, label, open_source, outside_code, source_class, sources
from tpmebench.datasets.sources.source import Source
from tpmebench.errors import BenchError


@pytest.fixture
def shop(tmp_path):
    """Six users who take items 0-6 in turn; item 3 has no picture, item 7 is never taken and has none either."""
    (tmp_path / "dataset.toml").write_text(
        'name = "shop"\n[interactions]\nfile = "taken.csv"\nuser = "user"\nitem = "item"\n'
        '[items]\nfile = "items.csv"\nid = "item"\ntext = "title"\n[images]\nfolder = "images"\npattern = "{id}.png"\n'
    )
    (tmp_path / "items.csv").write_text("item,title\n" + "".join(f"i{n},title {n}\n" for n in range(8)))
    lines = [f"u{user},i{(user + step) % 7}\n" for user in range(6) for step in range(6)]
    (tmp_path / "taken.csv").write_text("user,item\n" + "".join(lines))
    (tmp_path / "images").mkdir()
    for n in (0, 1, 2, 4, 5, 6):
        Image.new("RGB", (2, 2), (n, 0, 0)).save(tmp_path / "images" / f"i{n}.png")
    return tmp_path


def test_items_are_renumbered_together(shop):
    (shop / "taken.csv").write_text("user,item\n" + "".join(f"u,i{n}\n" for n in (6, 4, 2, 1, 0)))
    dataset = load_dataset(str(shop))
    catalogue = dataset.catalogue
    assert catalogue.ids == ["", "i0", "i1", "i2", "i4", "i6"]
    assert catalogue.texts == ["", "title 0", "title 1", "title 2", "title 4", "title 6"]
    assert catalogue.images is not None
    shown = [catalogue.images.load(item, 2) for item in range(1, 6)]
    assert [image.getpixel((0, 0)) for image in shown if image] == [(n, 0, 0) for n in (0, 1, 2, 4, 6)]
    assert catalogue.images.load(0, 2) is None
    assert dataset.test[0].tolist() == [5, 4, 3, 2, 1]


def test_a_missing_picture_is_counted_and_kept(shop):
    dataset = load_dataset(str(shop))
    assert dataset.facts["missing images"] == 1
    assert dataset.facts["items"] == 7
    assert dataset.catalogue.images is not None
    assert dataset.catalogue.images.fingerprint(4) == ""


def test_items_without_picture_leave_with_their_interactions(shop):
    dataset = load_dataset(str(shop / "dataset.toml"), missing_images="drop")
    assert "i3" not in dataset.catalogue.ids
    assert dataset.facts["missing images"] == 0
    assert dataset.facts["items dropped without image"] == 2
    assert dataset.facts["users"] == 6
    assert dataset.test[0].tolist() == [1, 2, 3, 4, 5]
    assert [len(dataset.test[user]) for user in range(6)] == [5, 5, 5, 5, 6, 5]


def test_a_missing_picture_as_an_error_names_the_item(shop):
    with pytest.raises(BenchError, match=r"item 'i3' has no picture"):
        load_dataset(str(shop), missing_images="error")
    Image.new("RGB", (2, 2)).save(shop / "images" / "i3.png")
    assert load_dataset(str(shop), missing_images="error").facts["missing images"] == 0


def test_one_modality_alone(shop):
    text = load_dataset(str(shop), modalities="text")
    assert text.catalogue.modalities == ("text",)
    assert "missing images" not in text.facts
    assert load_dataset(str(shop), modalities="image").catalogue.modalities == ("image",)
    assert load_dataset(str(shop), modalities="text", missing_images="error").facts["items"] == 7


@pytest.mark.parametrize("modalities", ["both", "image"])
def test_pictures_that_are_not_there(shop, modalities):
    text = (shop / "dataset.toml").read_text()
    (shop / "dataset.toml").write_text(text[: text.index("[images]")])
    with pytest.raises(BenchError, match="has no pictures: use --modalities text"):
        load_dataset(str(shop), modalities=modalities)


@pytest.mark.parametrize("modalities", ["both", "text"])
def test_texts_that_are_not_there(shop, modalities):
    text = (shop / "dataset.toml").read_text()
    (shop / "dataset.toml").write_text(text.replace('text = "title"\n', ""))
    with pytest.raises(BenchError, match="has no texts: use --modalities image"):
        load_dataset(str(shop), modalities=modalities)


def test_longest_input(shop):
    dataset = load_dataset(str(shop), max_length=2)
    assert [len(split[0]) for split in (dataset.train, dataset.valid, dataset.test)] == [3, 4, 5]
    assert dataset.facts["interactions"] == 6 * 5


def test_too_few_interactions_name_the_dataset(shop):
    (shop / "taken.csv").write_text("user,item\nu,i1\n")
    with pytest.raises(BenchError, match=rf"dataset '{shop}': no user has the 5"):
        load_dataset(str(shop))


def test_bazaar_with_options():
    dataset = load_dataset("bazaar:items=1000,users=500")
    assert len(dataset.test) == 500
    assert dataset.catalogue.size <= 1000
    assert dataset.catalogue.modalities == ("text", "image")
    assert dataset.facts["missing images"] == 0
    again = load_dataset("bazaar:users=500,items=1000")
    assert np.array_equal(again.test.items, dataset.test.items)


def test_fingerprints(shop):
    prints = [
        open_source(spec).fingerprint()
        for spec in ("bazaar", "bazaar:items=1000", "bazaar:items=1001", f"folder:{shop}", f"{shop}/dataset.toml")
    ]
    assert len(set(prints)) == 4
    assert prints[3] == prints[4]
    assert (
        open_source("bazaar:items=1000,users=500").fingerprint()
        == open_source("bazaar:users=500,items=1000").fingerprint()
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bazar", "unknown dataset 'bazar': did you mean 'bazaar'"),
        ("wikipedia", "unknown dataset 'wikipedia': choose from: bazaar, stated, folder, iisan-release"),
        ("no/such/place", r"no/such/place: there is no such file"),
        ("nowhere.toml", r"nowhere\.toml: there is no such file"),
        ("iisan-release", "the path is missing: write iisan-release:PATH"),
        ("bazaar:itmes=3", "unknown option of dataset bazaar 'itmes': did you mean 'items'"),
        ("bazaar:items", "'items' is no setting: write option=value"),
        ("bazaar:items=3,,users=3", "'' is no setting"),
        ("bazaar:items=9,items=10", "'items' stands there twice"),
        ("bazaar:items=many", r"dataset bazaar: option 'items': .*valid integer.*got 'many'.*options: .*items"),
    ],
)
def test_specs_that_mean_nothing(spec, message):
    with pytest.raises(BenchError, match=message) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)


def test_choices_are_checked(shop):
    with pytest.raises(BenchError, match="unknown modalities 'txt': did you mean 'text'"):
        load_dataset(str(shop), modalities="txt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BenchError, match="unknown missing_images 'ignore': choose from: neutral, drop, error"):
        load_dataset(str(shop), missing_images="ignore")  # pyright: ignore[reportArgumentType]


def test_every_source_says_how_it_is_named_and_what_it_is():
    published = ("recbole", "mmrec", "ducho", "perpeft", "pixelrec", "movielens", "parquet")
    published += ("iisan-release", "amazon-2018", "amazon-2023", "amazon-ratings", "microlens")
    assert {name: source.usage for name, source in sources().items()} == {
        "bazaar": "bazaar[:OPTION=VALUE,…]",
        "stated": "stated[:OPTION=VALUE,…]",
        "folder": "PATH",
        "prepared": "PATH",
        **{name: f"{name}:PATH[:OPTION=VALUE,…]" for name in published},
    }
    assert list(sources()["bazaar"].options.model_fields) == ["items", "users", "seed"]
    assert all(source.summary for source in sources().values())


class Offered(Bazaar):
    """A package's own shop."""

    options = BazaarOptions


class Half(Source):
    """Of which nothing can be read."""

    def fingerprint(self) -> str:
        return ""


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What installed packages offer; nothing yet."""
    points: list[EntryPoint] = []
    monkeypatch.setattr("tpmebench.outside.entry_points", lambda group: points if group == ENTRY_POINTS else [])
    monkeypatch.setattr("tpmebench.datasets.sources.registry._registry._classes", dict(sources()))
    monkeypatch.setitem(sys.modules, "users_sources", SimpleNamespace(Offered=Offered, Half=Half, Stranger=dict))  # pyright: ignore[reportArgumentType]
    return points


def test_a_package_offers_a_source_by_name(packages: list[EntryPoint], monkeypatch: pytest.MonkeyPatch):
    packages.append(EntryPoint("corner-shop", "users_sources:Offered", ENTRY_POINTS))
    assert [*sources()][:4] + [*sources()][-1:] == ["bazaar", "stated", "folder", "iisan-release", "corner-shop"]
    assert sources()["corner-shop"].usage == "corner-shop[:OPTION=VALUE,…]"
    assert source_class("corner-shop:items=60") is Offered
    assert load_dataset("corner-shop:items=60,users=40").catalogue.size <= 60
    assert label("corner-shop:items=60,users=40") == "corner-shop:items=60,users=40"
    assert outside_code("corner-shop") == ""
    packages.append(EntryPoint("broken", "users_sources:Missing", ENTRY_POINTS))
    with pytest.raises(BenchError, match=r"source 'broken' \(users_sources:Missing\): AttributeError"):
        sources()
    assert open_source("bazaar").name == "bazaar", "a broken package hinders nobody who does not ask for it"


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("users_sources:Missing", "source 'users_sources:Missing': AttributeError"),
        ("users_sources:Stranger", "is no subclass of"),
        ("users_sources:Half:x", "is abstract: read are missing"),
        ("no_such_package:Shop", "ModuleNotFoundError"),
        ("./missing.py:Shop", r"source file missing\.py: there is no such file"),
        (":", "unknown dataset ''"),
        ("bazar:items=3", "unknown dataset 'bazar': did you mean 'bazaar'"),
    ],
)
def test_a_class_that_is_no_source_is_one_line(spec: str, message: str):
    with pytest.raises(BenchError, match=message) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)


def test_a_folder_whose_name_looks_like_a_class_is_a_folder(shop: Path, monkeypatch: pytest.MonkeyPatch):
    shop.rename(shop.with_name("my:Shop"))
    monkeypatch.chdir(shop.parent)
    assert (outside_code("my:Shop"), label("my:Shop")) == ("", "my:Shop")
    assert load_dataset("my:Shop").catalogue.size == 7


@pytest.mark.parametrize(
    ("spec", "called"),
    [
        ("bazaar", "bazaar"),
        ("bazaar:users=40,items=60", "bazaar:users=40,items=60"),
        ("iisan-release:/data/shop", "iisan-release:shop"),
        ("folder:/data/shop", "shop"),
        ("/data/shop/dataset.toml", "shop"),
        ("/data/shop.toml", "shop"),
    ],
)
def test_a_dataset_is_called_the_same_wherever_it_stands(spec: str, called: str):
    assert label(spec) == called


def test_fingerprints_of_data_stay_what_they_were(shop: Path):
    """Records of earlier versions are found by them."""
    for number in (0, 1, 2, 4, 5, 6):
        (shop / "images" / f"i{number}.png").write_bytes(bytes(number + 1))
    release = shop / "release"
    release.mkdir()
    (release / "am_items.tsv").write_text("a\tone\nb\ttwo\n")
    (release / "am_users.tsv").write_text("u\ta b\n")
    expected = {
        "bazaar": "5c154ff63c91b5a9",
        "bazaar:items=1000,users=500": "5e5de4ebfc72f439",
        str(shop): "ef16bf95db7a8ae9",
        f"iisan-release:{release}": "8dfdc52124c19ef2",
    }
    assert {spec: open_source(spec).fingerprint()[:16] for spec in expected} == expected
