"""The published two-file layout: what is read, and how its faults are named."""

import numpy as np
import pytest
from PIL import Image

from tpmebench.datasets.sources.iisan_release import IISANRelease
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.policies import Policies
from tpmebench.datasets.sources.registry import open_source
from tpmebench.errors import BenchError

ITEMS = 'a\tFirst title\nb\tTitle with\ttab, \u0085 and \u2028 inside\nc\t\nd\tA 5" pipe\r\ne\té &amp; ü\n'
USERS = "u1\ta b c d e\nu0\tb a b a b c\n"


def read(path):
    return IISANRelease(path, Policies()).read()


def fingerprint(path):
    return IISANRelease(path, Policies()).fingerprint()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Shop_items.tsv").write_text(ITEMS, encoding="utf-8", newline="")
    (tmp_path / "am_Shop_users.tsv").write_text(USERS, encoding="utf-8", newline="")
    return tmp_path


def test_rows_titles_and_histories(folder):
    raw = read(folder)
    assert list(raw.ids) == ["a", "b", "c", "d", "e"]
    assert raw.texts == ["First title", "Title with\ttab, \u0085 and \u2028 inside", "", 'A 5" pipe', "é &amp; ü"]
    assert raw.images is None
    assert raw.interactions.times is None
    assert raw.interactions.users.tolist() == [0] * 5 + [1] * 6
    assert raw.interactions.items.tolist() == [0, 1, 2, 3, 4, 1, 0, 1, 0, 1, 2]


def test_users_keep_the_order_of_their_file(folder):
    dataset = load_dataset(f"iisan-release:{folder}", modalities="text")
    assert dataset.test[0].tolist() == [1, 2, 3, 4, 5]
    assert dataset.test[1].tolist() == [2, 1, 2, 1, 2, 3]
    assert dataset.name == folder.name


def test_pictures_of_either_kind(folder):
    (folder / "images").mkdir()
    Image.new("RGB", (4, 4), "red").save(folder / "images" / "a.jpg")
    Image.new("RGB", (4, 4), "red").save(folder / "images" / "c.png")
    raw = read(folder)
    assert list(raw.missing_images) == [1, 3, 4]
    assert raw.images is not None
    assert raw.images.fingerprint(1) != "" != raw.images.fingerprint(3)
    assert raw.images.fingerprint(2) == ""


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Shop_items.tsv", "a\tone\nb two\n", r"Shop_items\.tsv, line 2: no tab"),
        ("Shop_items.tsv", "a\tone\n\nb\ttwo\n", r"Shop_items\.tsv, line 2: no tab"),
        (
            "Shop_items.tsv",
            "a\tone\nb\ttwo\na\tthree\n",
            r"line 3: item 'a' has another 'title' than in .*Shop_items\.tsv, line 1: .*titles = first",
        ),
        ("Shop_items.tsv", "a\tone\n\ttwo\n", r"line 2: no item before the tab"),
        ("Shop_items.tsv", "", r"Shop_items\.tsv, line 1: no tab"),
        ("am_Shop_users.tsv", "u1\ta b\nu2\ta  zz b\n", r"users\.tsv, line 2: item 'zz' is not in .*Shop_items\.tsv"),
        ("am_Shop_users.tsv", "u1\ta b\nu1\tb\n", r"line 2: user 'u1' stands there again, first in line 1"),
        ("am_Shop_users.tsv", "u1 a b\n", r"users\.tsv, line 1: no tab"),
    ],
)
def test_faults_are_named(folder, file, text, message):
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match=message):
        read(folder)


def test_what_the_policies_make_of_it(folder):
    before = fingerprint(folder)
    (folder / "Shop_items.tsv").write_text(ITEMS + "a\tSecond title\n", encoding="utf-8")
    (folder / "am_Shop_users.tsv").write_text(USERS + "u2\ta zz\n", encoding="utf-8")
    source = open_source(f"iisan-release:{folder}:titles=last,missing_items=drop,text=clean")
    raw = source.read()
    assert raw.texts is not None
    assert (raw.texts[0], raw.texts[4]) == ("Second title", "é & ü")
    assert raw.facts["interactions dropped without metadata"] == 1
    assert len({before, fingerprint(folder), source.fingerprint()}) == 3


def test_not_utf8(folder):
    (folder / "Shop_items.tsv").write_bytes(b"a\tone\nb\t\xff\n")
    with pytest.raises(BenchError, match=r"line 2: not UTF-8"):
        read(folder)


def test_files_must_be_there_and_alone(folder, tmp_path):
    (folder / "Other_items.tsv").write_text("")
    with pytest.raises(BenchError, match=r"Other_items\.tsv, Shop_items\.tsv"):
        read(folder)
    with pytest.raises(BenchError, match="no such folder"):
        read(tmp_path / "nowhere")


def test_a_user_without_items_counts_for_nothing(folder):
    (folder / "am_Shop_users.tsv").write_text("u1\t\nu0\t a  b \n")
    interactions = read(folder).interactions
    assert np.array_equal(interactions.users, [1, 1])
    assert np.array_equal(interactions.items, [0, 1])


def test_fingerprint_follows_the_data(folder):
    first = fingerprint(folder)
    assert fingerprint(folder) == first
    (folder / "images").mkdir()
    (folder / "images" / "a.jpg").write_bytes(b"x")
    second = fingerprint(folder)
    assert second != first
    (folder / "am_Shop_users.tsv").write_text(USERS + "u9\ta\n")
    assert fingerprint(folder) not in (first, second)


@pytest.mark.parametrize(
    ("items", "users"),
    [
        ("Musical_Instruments_items.tsv", "am_Musical_Instruments_users.tsv"),
        ("Musical_Instruments_items.tsv", "am_Musical_Instruments_users_10K.tsv"),
        ("Office_Products_items.tsv", "am_Office_Products_users_10K.tsv"),
    ],
)
def test_all_published_datasets_are_read_as_they_are_named(tmp_path, items, users):
    """Instrument and Office have their users in files of another suffix, beside pictures and files of other kinds."""
    (tmp_path / items).write_text("".join(f"{name}\tTitle of {name}\n" for name in "abcdef"))
    (tmp_path / users).write_text("u1\ta b c d e\nu2\tf e d c b a\n")
    (tmp_path / "README.md").write_text("# Data\n")
    (tmp_path / "am_images.lmdb").write_bytes(b"\0" * 16)
    (tmp_path / "am_images").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "am_images" / "a.jpg")
    dataset = load_dataset(f"iisan-release:{tmp_path}")
    assert dataset.catalogue.size == 6 and len(dataset.test) == 2
    assert dataset.facts["source"] == f"{items}, {users}"
    assert dataset.facts["missing images"] == 5
    before = fingerprint(tmp_path)
    Image.new("RGB", (4, 4), "red").save(tmp_path / "am_images" / "b.jpg")
    assert fingerprint(tmp_path) != before


def test_packed_pictures_are_to_be_unpacked(folder):
    (folder / "am_Shop_images.zip").write_bytes(b"PK")
    with pytest.raises(BenchError, match=r"am_Shop_images\.zip is packed: unpack it into .*images"):
        load_dataset(f"iisan-release:{folder}")
    assert load_dataset(f"iisan-release:{folder}", modalities="text").catalogue.size == 5
