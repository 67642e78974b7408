"""Pictures are found by whatever names people give them, in a folder or a zip, and nothing else is guessed."""

import os
import unicodedata
import zipfile
from pathlib import Path

import pytest
from bounds import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tpmebench.datasets.pictures.finding import SUFFIXES, count_fitting, is_hidden
from tpmebench.datasets.pictures.opening import open_pictures
from tpmebench.datasets.pictures.places import listed, open_place
from tpmebench.errors import BenchError

PICTURE = b"\x89PNG whatever"


def make(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE + name.encode("utf-8", "surrogateescape"))
    return folder


def packed(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, PICTURE + name.encode())
    return path


def found(place: Path, names: list[str | None]) -> list[str | None]:
    files = open_pictures(place, names).images
    return [None if file is None else file.name for file in map(files.file, range(1, len(names) + 1))]


FOUND = [
    ("i3.jpg", "i3.jpg", "as it is called"),
    ("i3.jpg", "i3.JPG", "a suffix in capitals"),
    ("i3.jpg", "i3.JPEG", "another suffix of the same format"),
    ("i3.jpg", "i3.JPE", "a rare suffix"),
    ("i3.jpg", "i3.jfif", "as browsers save it"),
    ("i3.jpg", "i3.webp", "another format"),
    ("i3.jpg", "i3", "no suffix at all"),
    ("i3", "i3.png", "a pattern without a suffix"),
    ("i3.jpg", "c1/i3.jpg", "a folder by category"),
    ("i3.jpg", "000/012/i3.PNG", "numbered folders"),
    ("c1\\i3.png", "c1/i3.png", "the other separator"),
    ("c1\\i3.png", "c1/i3.PNG", "the other separator and capitals"),
    ("C:\\data\\pictures\\c1\\i3.png", "c1/i3.png", "a path of another machine"),
    ("pictures/i3.png", "i3.png", "the folder itself in the name"),
    ("./i3.png", "i3.png", "a path from here"),
    ("https://example.org/images/i3.png", "i3.png", "a link to where it came from"),
    ("red lamp.png", "red lamp.png", "a space"),
    ("red lamp.png", "red%20lamp.png", "a space as a link writes it"),
    ("red%20lamp.png", "red lamp.png", "a space as a link writes it, in the table"),
    ("a/b.jpg", "a%2Fb.jpg", "an id with a slash"),
    ("a/b.jpg", "a/b.jpg", "an id with a slash, as a folder"),
    ("i3.png ", "i3.png", "a space at the end of a cell"),
    ("café.png", unicodedata.normalize("NFD", "café.png"), "letters in two parts, as macOS writes them"),
    (unicodedata.normalize("NFD", "café.png"), "café.png", "letters in two parts in the table"),
    ("v1.2.jpg", "v1.2.png", "a dot in the id"),
]


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(("looked", "there", "why"), FOUND, ids=[why for *_, why in FOUND])
def test_a_picture_is_found(tmp_path: Path, kind: str, looked: str, there: str, why: str):
    names = [there, "other.png", "c2/another.png"]
    place = make(tmp_path, names) if kind == "folder" else packed(tmp_path / "p.zip", names)
    assert found(place, [looked]) == [there], why


NOT_FOUND = [
    ("1.jpg", "01.jpg", "leading zeros"),
    ("01.jpg", "1.jpg", "no leading zeros"),
    ("i3.jpg", "I3.jpg", "the case of an id"),
    ("a/1.jpg", "b/1.jpg", "another folder than the one that is named"),
    ("i3.jpg", "._i3.jpg", "what macOS leaves beside a file"),
    ("i3.jpg", "__MACOSX/i3.jpg", "what macOS leaves in a zip"),
    ("i3.jpg", ".thumbnails/i3.jpg", "a hidden folder"),
    ("i3.jpg", "i3.jpg.part", "a download that goes on"),
    ("i3.jpg", "i3.txt", "another kind of file"),
]


@pytest.mark.parametrize(("looked", "there", "why"), NOT_FOUND, ids=[why for *_, why in NOT_FOUND])
def test_nothing_is_guessed(tmp_path: Path, looked: str, there: str, why: str):
    assert found(make(tmp_path, [there]), [looked]) == [None], why


@pytest.mark.parametrize(
    ("looked", "there", "taken"),
    [
        ("i3.jpg", ["i3.png", "i3.jpg"], "i3.jpg"),
        ("i3.jpg", ["i3.png", "i3.JPG"], "i3.JPG"),
        ("i3.jpg", ["i3.webp", "i3.png"], "i3.png"),
        ("i3.jpg", ["jpg/i3.gif", "png/i3.png"], "png/i3.png"),
        ("i3.jpg", ["i3", "i3.tiff"], "i3.tiff"),
    ],
)
def test_of_several_files_one_is_taken_and_counted(tmp_path: Path, looked: str, there: list[str], taken: str):
    make(tmp_path, there)
    pictures = open_pictures(tmp_path, [looked])
    assert found(tmp_path, [looked]) == [taken]
    assert pictures.facts == {"items with several pictures": 1}


def test_the_nearest_of_several_folders_is_taken_without_a_word(tmp_path: Path):
    make(tmp_path, ["small/1.jpg", "large/1.jpg", "1.jpg", "x/small/2.jpg", "x/large/2.jpg"])
    assert found(tmp_path, ["small/1.jpg", "1.jpg", "p/large/1.png", "large/2.jpg"]) == [
        "small/1.jpg",
        "1.jpg",
        "large/1.jpg",
        "x/large/2.jpg",
    ]
    assert open_pictures(tmp_path, ["small/1.jpg", "1.jpg"]).facts == {}


def test_of_two_that_fit_alike_none_is_taken_and_both_are_named(tmp_path: Path):
    make(tmp_path, ["cats/1.jpg", "dogs/1.jpg"])
    pictures = open_pictures(tmp_path, ["1.jpg"])
    assert pictures.missing == [0]
    assert pictures.images.bad([1]) == {1: "cats/1.jpg (or dogs/1.jpg, it is not said which)"}


def test_what_is_missing_is_told_with_an_example(tmp_path: Path):
    make(tmp_path, [".DS_Store", "Thumbs.db", "i1.png"])
    pictures = open_pictures(tmp_path, ["i1.png", None, "", "i2.png"])
    assert pictures.missing == [1, 2, 3]
    assert pictures.facts == {"picture looked for": "i2.png", "picture there": "i1.png"}


def test_a_link_out_of_the_folder_is_not_followed_unless_it_may_be(tmp_path: Path):
    elsewhere = make(tmp_path / "elsewhere", ["secret.png"])
    folder = make(tmp_path / "pictures", ["i1.png"])
    (folder / "i2.png").symlink_to(elsewhere / "secret.png")
    (folder / "i3.png").symlink_to(folder / "i1.png")
    pictures = open_pictures(folder, ["i1.png", "i2.png", "i3.png"])
    assert pictures.missing == [1]
    assert pictures.images.bad([2]) == {2: "i2.png (a link out of the picture folder)"}
    assert open_pictures(folder, ["i2.png"], [elsewhere]).missing == []


def test_a_zip_gives_what_its_folder_does(tmp_path: Path):
    names = ["i1.png", "c1/i2.jpg", "c2/ä b.webp"]
    folder, archive = make(tmp_path / "folder", names), packed(tmp_path / "p.zip", names)
    assert listed(folder) == listed(archive)
    looked: list[str | None] = ["i1.jpg", "i2.jpg", "ä b.jpg"]
    here, there = (open_pictures(place, looked).images for place in (folder, archive))
    assert [here.fingerprint(item) for item in (1, 2, 3)] == [there.fingerprint(item) for item in (1, 2, 3)]


def test_hostile_members_of_a_zip_are_named_and_nothing_is_written(tmp_path: Path):
    archive = tmp_path / "in" / "p.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as writing:
        for name in ("../i1.png", "/i2.png", "C:/i3.png", "i4.png", "a/../../i5.png"):
            writing.writestr(name, PICTURE)
        link = zipfile.ZipInfo("i6.png")
        link.external_attr = 0o120777 << 16
        writing.writestr(link, "/etc/passwd")
    pictures = open_pictures(archive, [f"i{n}.png" for n in range(1, 7)])
    assert pictures.missing == [0, 1, 2, 4, 5]
    bad = pictures.images.bad([1, 2, 3, 5, 6])
    assert bad[1] == "../i1.png (its name leads out of the archive)"
    assert bad[6] == "i6.png (a link in an archive)" and len(bad) == 5
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "p.zip"]


def test_an_encrypted_member_is_bad(tmp_path: Path):
    archive = packed(tmp_path / "p.zip", ["i1.png"])
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # in the member's own head
    content[content.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)
    assert open_pictures(archive, ["i1.png"]).images.bad([1]) == {1: "i1.png (encrypted)"}


def test_a_member_that_unpacks_to_more_than_a_picture_is_bad(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("i1.png", "w") as file:
        for _ in range(65):
            file.write(bytes(1 << 20))
    with bounded(megabytes=10):
        bad = open_pictures(tmp_path / "p.zip", ["i1.png"]).images.bad([1])
    assert bad == {1: "i1.png (more than the 64 MB that a picture in a zip may have)"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.zip", b"PK no zip at all", r"p\.zip: neither a folder nor a whole zip"),
        ("p.tar", b"ustar", r"p\.tar: neither a folder nor a whole zip"),
        ("p.zip", b"", r"p\.zip: neither a folder nor a whole zip"),
    ],
)
def test_what_is_no_zip_is_named(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchError, match=message):
        open_place(tmp_path / name)


def test_a_zip_of_zips_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.write(packed(tmp_path / "inner.zip", ["i1.png"]), "part1.zip")
    with pytest.raises(BenchError, match=r"p\.zip: holds nothing but archives \(part1\.zip\): unpack it"):
        open_pictures(tmp_path / "p.zip", ["i1.png"])


def test_a_place_that_is_not_there(tmp_path: Path):
    with pytest.raises(BenchError, match="there is no such folder or zip"):
        open_place(tmp_path / "gone")


@pytest.mark.parametrize(("pattern", "count"), [("{id}.jpg", 3), ("{id}", 4), ("cover_{id}.jpg", 1), ("x{id}.png", 0)])
def test_files_that_a_pattern_fits_are_counted(tmp_path: Path, pattern: str, count: int):
    make(tmp_path, ["i1.PNG", "c/i2.webp", "cover_i3.jpg", "README.md"])
    assert count_fitting(open_place(tmp_path), pattern) == count


def test_hidden_names():
    assert not any(map(is_hidden, ["i1.png", "a/i1.png", "./i1.png", "../i1.png", "v1..2"]))
    assert all(map(is_hidden, [".DS_Store", "a/.i1.png", "THUMBS.DB", "a/@eaDir/i1.png"]))


WORD = st.text("ab1 é%\\", min_size=1, max_size=4).map(str.strip).filter(bool)


@settings(max_examples=examples(60))
@given(st.lists(WORD, min_size=1, max_size=8, unique=True), st.data())
def test_no_item_gets_the_picture_of_another(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], data: st.DataObject
):
    """Ids that are compared as one (`a%31`, `a1`) aside, each finds its own under any suffix in any folder."""
    distinct = {unicodedata.normalize("NFC", name): name for name in ids if not set("%\\") & set(name)}
    folder = tmp_path_factory.mktemp("pictures")
    where = {
        name: f"{data.draw(st.sampled_from(['', 'c1/', '07/3/']))}{name}{data.draw(st.sampled_from(SUFFIXES)).upper()}"
        for name in distinct.values()
    }
    make(folder, list(where.values()))
    names: list[str | None] = [f"{name}.jpg" for name in where]
    assert found(folder, names) == list(where.values())


def test_names_that_are_no_text(tmp_path: Path):
    name = os.fsdecode(b"\xff\xfe.png")
    try:
        (tmp_path / name).write_bytes(PICTURE)
    except OSError:
        pytest.skip("this system has no such names")
    Image.new("RGB", (4, 4)).save(tmp_path / "i1.png")
    assert found(tmp_path, ["i1.jpg"]) == ["i1.png"]
    assert listed(tmp_path)[0].startswith("\\xff\\xfe.png ")
