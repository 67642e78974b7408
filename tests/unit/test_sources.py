"""Datasets by name, their modalities, and what happens to items without a picture."""

import numpy as np
import pytest
from PIL import Image

from tpmebench.datasets.sources import registry as sources
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
    dataset = sources.load_dataset(str(shop))
    catalogue = dataset.catalogue
    assert catalogue.ids == ["", "i0", "i1", "i2", "i4", "i6"]
    assert catalogue.texts == ["", "title 0", "title 1", "title 2", "title 4", "title 6"]
    assert catalogue.images is not None
    shown = [catalogue.images.load(item, 2) for item in range(1, 6)]
    assert [image.getpixel((0, 0)) for image in shown if image] == [(n, 0, 0) for n in (0, 1, 2, 4, 6)]
    assert catalogue.images.load(0, 2) is None
    assert dataset.test[0].tolist() == [5, 4, 3, 2, 1]


def test_a_missing_picture_is_counted_and_kept(shop):
    dataset = sources.load_dataset(str(shop))
    assert dataset.facts["missing images"] == 1
    assert dataset.facts["items"] == 7
    assert dataset.catalogue.images is not None
    assert dataset.catalogue.images.fingerprint(4) == ""


def test_items_without_picture_leave_with_their_interactions(shop):
    dataset = sources.load_dataset(str(shop / "dataset.toml"), missing_images="drop")
    assert "i3" not in dataset.catalogue.ids
    assert dataset.facts["missing images"] == 0
    assert dataset.facts["items dropped without image"] == 2
    assert dataset.facts["users"] == 6
    assert dataset.test[0].tolist() == [1, 2, 3, 4, 5]
    assert [len(dataset.test[user]) for user in range(6)] == [5, 5, 5, 5, 6, 5]


def test_a_missing_picture_as_an_error_names_the_item(shop):
    with pytest.raises(BenchError, match=r"item 'i3' has no picture"):
        sources.load_dataset(str(shop), missing_images="error")
    Image.new("RGB", (2, 2)).save(shop / "images" / "i3.png")
    assert sources.load_dataset(str(shop), missing_images="error").facts["missing images"] == 0


def test_one_modality_alone(shop):
    text = sources.load_dataset(str(shop), modalities="text")
    assert text.catalogue.modalities == ("text",)
    assert "missing images" not in text.facts
    assert sources.load_dataset(str(shop), modalities="image").catalogue.modalities == ("image",)
    assert sources.load_dataset(str(shop), modalities="text", missing_images="error").facts["items"] == 7


@pytest.mark.parametrize("modalities", ["both", "image"])
def test_pictures_that_are_not_there(shop, modalities):
    text = (shop / "dataset.toml").read_text()
    (shop / "dataset.toml").write_text(text[: text.index("[images]")])
    with pytest.raises(BenchError, match="has no pictures: use --modalities text"):
        sources.load_dataset(str(shop), modalities=modalities)


@pytest.mark.parametrize("modalities", ["both", "text"])
def test_texts_that_are_not_there(shop, modalities):
    text = (shop / "dataset.toml").read_text()
    (shop / "dataset.toml").write_text(text.replace('text = "title"\n', ""))
    with pytest.raises(BenchError, match="has no texts: use --modalities image"):
        sources.load_dataset(str(shop), modalities=modalities)


def test_longest_input(shop):
    dataset = sources.load_dataset(str(shop), max_length=2)
    assert [len(split[0]) for split in (dataset.train, dataset.valid, dataset.test)] == [3, 4, 5]
    assert dataset.facts["interactions"] == 6 * 5


def test_too_few_interactions_name_the_dataset(shop):
    (shop / "taken.csv").write_text("user,item\nu,i1\n")
    with pytest.raises(BenchError, match=rf"dataset '{shop}': no user has the 5"):
        sources.load_dataset(str(shop))


def test_bazaar_with_options():
    dataset = sources.load_dataset("bazaar:items=1000,users=500")
    assert len(dataset.test) == 500
    assert dataset.catalogue.size <= 1000
    assert dataset.catalogue.modalities == ("text", "image")
    assert dataset.facts["missing images"] == 0
    again = sources.load_dataset("bazaar:users=500,items=1000")
    assert np.array_equal(again.test.items, dataset.test.items)


def test_fingerprints(shop):
    prints = [
        sources.fingerprint(spec)
        for spec in ("bazaar", "bazaar:items=1000", "bazaar:items=1001", f"folder:{shop}", f"{shop}/dataset.toml")
    ]
    assert len(set(prints)) == 4
    assert prints[3] == prints[4]
    assert sources.fingerprint("bazaar:items=1000,users=500") == sources.fingerprint("bazaar:users=500,items=1000")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bazar", "unknown dataset 'bazar': did you mean 'bazaar'"),
        ("movielens", "unknown dataset 'movielens': choose from: bazaar, folder, iisan-release"),
        ("no/such/place", r"no/such/place: there is no such file"),
        ("nowhere.toml", r"nowhere\.toml: there is no such file"),
        ("iisan-release", "the path is missing: write iisan-release:PATH"),
        ("bazaar:itmes=3", "unknown option of dataset bazaar 'itmes': did you mean 'items'"),
        ("bazaar:items", "'items' is no option: write name=value"),
        ("bazaar:items=3,,users=3", "'' is no option"),
        ("bazaar:items=9,items=10", "option 'items' stands there twice"),
        ("bazaar:items=many", r"dataset bazaar: items=many: .*valid integer.*options: .*items"),
    ],
)
def test_specs_that_mean_nothing(spec, message):
    with pytest.raises(BenchError, match=message) as caught:
        sources.load_dataset(spec)
    assert "\n" not in str(caught.value)


def test_choices_are_checked(shop):
    with pytest.raises(BenchError, match="unknown modalities 'txt': did you mean 'text'"):
        sources.load_dataset(str(shop), modalities="txt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BenchError, match="unknown missing_images 'ignore': choose from: neutral, drop, error"):
        sources.load_dataset(str(shop), missing_images="ignore")  # pyright: ignore[reportArgumentType]


def test_listing_shows_every_source():
    rows = sources.list_datasets()
    assert [row.name for row in rows] == ["bazaar", "folder", "iisan-release"]
    assert {"items", "users"} <= set(rows[0].options)
    assert all(row.summary and row.usage for row in rows)
