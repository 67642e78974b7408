"""A prepared folder: its source's data, written once, gone on with, and refused when it is not as it was."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import bounded
from PIL import Image

from tpmebench.datasets.preparation import packing
from tpmebench.datasets.preparation.options import chosen
from tpmebench.datasets.preparation.prepare import Request, prepare_dataset
from tpmebench.datasets.preparation.sheet import draw_sheet
from tpmebench.datasets.preparation.summary import summary
from tpmebench.datasets.preparation.verifying import faults
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import label, open_source
from tpmebench.errors import BenchError
from tpmebench.files import file_digest

ITEMS, USERS = 12, 8


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users with four to eleven interactions; of the items one has no picture, and two have the same."""
    folder = tmp_path_factory.mktemp("source") / "shop"
    (folder / "pictures").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(ITEMS - 1):
        colour = tuple(rng.integers(0, 256, 3).tolist()) if number else (9, 9, 9)
        Image.new("RGB", (8, 8), (9, 9, 9) if number == 5 else colour).save(folder / "pictures" / f"i{number}.png")
    lines = ["user,item,time"]
    for user in range(USERS):
        lines += [f"u{user},i{rng.integers(0, ITEMS)},{rng.integers(0, 40)}" for _ in range(4 + user)]
    (folder / "ratings.csv").write_text("\n".join(lines))
    titles = ["id,title", *(f"i{number},thing {number}" for number in range(ITEMS))]
    (folder / "items.csv").write_text("\n".join(titles))
    (folder / "dataset.toml").write_text(
        'name = "shop"\nlicence = "CC0"\n[interactions]\nfile = "ratings.csv"\nuser = "user"\nitem = "item"\n'
        'time = "time"\n[items]\nfile = "items.csv"\nid = "id"\ntext = "title"\n'
        '[images]\nfolder = "pictures"\npattern = "{id}.png"\n'
    )
    return folder


def prepared(source: Path | str, out: Path, **options: object) -> Path:
    prepare_dataset(Request(str(source), None, chosen(**options)), out, lambda *_: None)
    return out


def digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in folder.iterdir() if not path.name.startswith(".card")}


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_it_gives_the_dataset_that_its_source_gives(shop: Path, tmp_path: Path) -> None:
    own, other = load_dataset(shop), load_dataset(prepared(shop, tmp_path / "out"))
    assert own.catalogue.ids == other.catalogue.ids and own.catalogue.texts == other.catalogue.texts
    for name in ("train", "valid", "test"):
        one, two = getattr(own, name), getattr(other, name)
        assert [one[user].tolist() for user in range(len(one))] == [two[user].tolist() for user in range(len(two))]
    for item in range(own.catalogue.size + 1):
        one, two = own.catalogue.images, other.catalogue.images
        assert one is not None and two is not None
        assert one.fingerprint(item) == two.fingerprint(item)
        shown = [each.load(item, 8) for each in (one, two)]
        assert (shown[0] is None) == (shown[1] is None)
        assert shown[0] is None or shown[1] is None or shown[0].tobytes() == shown[1].tobytes()
    assert other.facts["missing images"] == own.facts["missing images"] == 1
    assert [other.facts[name] for name in ("licence", "split", "prepared with")] == [
        "CC0",
        "leave-one-out",
        "min-length 5",
    ]
    assert label(str(tmp_path / "out")) == "out"


def test_equal_pictures_are_kept_once(shop: Path, tmp_path: Path) -> None:
    out = prepared(shop, tmp_path / "out")
    sizes = {(path.read_bytes()) for path in (shop / "pictures").iterdir()}
    assert (out / "pictures.bin").stat().st_size == sum(map(len, sizes))


def test_prepared_again_it_stays_as_it_is_and_anything_else_is_refused(shop: Path, tmp_path: Path) -> None:
    out = prepared(shop, tmp_path / "out", k_core=2)
    before = stamps(out)
    card, is_new = prepare_dataset(Request(str(shop), None, chosen(k_core=2)), out, lambda *_: None)
    assert not is_new and stamps(out) == before
    assert card.counts["users"].kept == sum(card.counts["users"].read - each for each in [1])  # one has but four
    with pytest.raises(BenchError, match="prepared from other data or with other options"):
        prepared(shop, out, k_core=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(BenchError, match="not ours"):
        prepared(shop, tmp_path / "mine")


class Killed(BaseException):
    """The process is gone, whatever it was about to tidy up."""


@pytest.mark.parametrize("after", [0, 1, 3, 7, 11])
def test_what_was_killed_is_gone_on_with_to_the_same_bytes(
    shop: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_AT_A_TIME", 2)
    whole, out = prepared(shop, tmp_path / "whole"), tmp_path / "out"
    real, read = packing.original, list[int]()

    def dies(source: packing.ImageSource, item: int) -> bytes | None:
        if len(read) == after:
            raise Killed
        read.append(item)
        return real(source, item)

    monkeypatch.setattr(packing, "original", dies)
    with pytest.raises(Killed):
        prepared(shop, out)
    with (out / ".pictures.bin.part").open("ab") as part:
        part.write(b"half a picture")
    with (out / ".pictures.bin.notes").open("ab") as notes:
        notes.write(b"0123456789")
    (out / ".items.parquet.77.tmp").write_bytes(b"half a table")
    again = list[int]()
    monkeypatch.setattr(packing, "original", lambda source, item: again.append(item) or real(source, item))
    assert digests(prepared(shop, out)) == digests(whole)
    assert len(again) == ITEMS - after // 2 * 2, "what was written is not read again"
    assert not list(out.glob(".*.tmp")) and not list(out.glob(".pictures*"))


def test_pictures_that_changed_meanwhile_are_written_again(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut leaves may be noted and not there."""
    whole, out = prepared(shop, tmp_path / "whole"), tmp_path / "out"
    monkeypatch.setattr("tpmebench.datasets.preparation.prepare.write_items", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepared(shop, out)
    monkeypatch.undo()
    content = bytearray((out / "pictures.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (out / "pictures.bin").write_bytes(content)
    assert digests(prepared(shop, out)) == digests(whole)


def test_features_and_links_come_along(shop: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from tpmebench.datasets.features import Features
    from tpmebench.datasets.preparation.prepare import Request

    np.save(tmp_path / "vectors.npy", np.arange(ITEMS * 3, dtype=np.float32).reshape(ITEMS, 3))
    vectors = Features.open(tmp_path / "vectors.npy", ITEMS)

    class WithMore(Request):
        def read(self):
            links = [f"https://pictures.example/{row}.jpg" if row % 2 else "" for row in range(ITEMS)]
            return replace(super().read(), features={"image": vectors}, links=links)

    prepare_dataset(WithMore(str(shop), None, chosen()), tmp_path / "out", lambda *_: None)
    raw = open_source(str(tmp_path / "out")).read()
    rows = [int(name[1:]) for name in raw.ids]
    assert raw.features["image"].read(np.arange(len(rows))).tolist() == [
        [3 * row + add for add in range(3)] for row in rows
    ]
    assert faults(tmp_path / "out") == []
    lines = (tmp_path / "out" / "images.tsv").read_text().splitlines()
    assert lines == ["id\turl", f"i{ITEMS - 1}\thttps://pictures.example/{ITEMS - 1}.jpg"], "the one without a picture"


def test_pictures_may_lie_elsewhere(shop: Path, tmp_path: Path) -> None:
    """As a downloader leaves them that took `images.tsv`."""
    (tmp_path / "left" / "00").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "left" / "00" / "i3.JPG", "JPEG")
    prepare_dataset(Request(str(shop), tmp_path / "left", chosen()), tmp_path / "out", lambda *_: None)
    raw = open_source(str(tmp_path / "out")).read()
    assert [raw.ids[row] for row in range(len(raw.ids)) if row not in raw.missing_images] == ["i3"]


def test_info_says_what_there_is_and_draws_it(shop: Path, tmp_path: Path) -> None:
    raw = open_source(str(shop)).read()
    said = summary(raw)
    assert said["users"] == "8" and said["interactions"] == "60"
    assert said["interactions of a user"] == "4 to 11, median 7.5, mean 7.50"
    assert said["pictures"] == "1 missing" and said["split"].startswith("leave-one-out: 7 users")
    draw_sheet(raw, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 800 and sheet.getpixel((90, 90)) is not None


def rewritten(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes a table and says so in the card, as somebody would who means it."""
    pq.write_table(change(pq.read_table(folder / name)), folder / name)
    restamp(folder, name)


def restamp(folder: Path, name: str) -> None:
    edit(folder, lambda card: card["files"].__setitem__(name, stamp(folder / name)))


def stamp(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": file_digest(path)}


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def with_column(name: str, values: Callable[[np.ndarray], object]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = table.column_names.index(name)
        old = table[name]
        new = pa.array(values(old.to_numpy()), old.type, from_pandas=True)
        return table.set_column(column, name, new)

    return change


class Trap:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("/tmp/tpmebench-was-here"),))


def put(folder: Path, name: str, content: bytes, *, told: bool) -> None:
    (folder / name).write_bytes(content)
    if told:
        restamp(folder, name)


def replaced_by_link(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)


PICKLE = pickle.dumps(Trap())
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no table": (lambda at: (at / "items.parquet").unlink(), "items.parquet: No such file"),
    "a table cut off": (lambda at: (at / "items.parquet").write_bytes(b"PAR1"), "items.parquet: 4 bytes, of"),
    "a byte turned over": (
        lambda at: put(at, "items.parquet", b"x" + (at / "items.parquet").read_bytes()[1:], told=False),
        "items.parquet: changed since it was written",
    ),
    "a pickle as a table": (lambda at: put(at, "interactions.parquet", PICKLE, told=True), "no Parquet file"),
    "a pickle as pictures": (
        lambda at: put(at, "pictures.bin", PICKLE.ljust((at / "pictures.bin").stat().st_size, b"."), told=True),
        "picture of item 'i0': changed since",
    ),
    "a pickle as features": (
        lambda at: put(at, "image-features.npy", PICKLE, told=True),
        "image-features.npy: not a whole .npy array",
    ),
    "a pickle as the card": (lambda at: (at / "card.json").write_bytes(PICKLE), "card.json"),
    "no card of ours": (lambda at: (at / "card.json").write_text("{}"), "not the card of a prepared dataset"),
    "a list as the card": (lambda at: (at / "card.json").write_text("[1]"), "not the card of a prepared dataset"),
    "no JSON": (lambda at: (at / "card.json").write_text("{"), "card.json: not valid JSON"),
    "a later version": (
        lambda at: edit(at, lambda card: card.update(version=2)),
        "card.json: version: input should be 1",
    ),
    "a file outside": (
        lambda at: edit(at, lambda card: card["files"].update({"../../etc/passwd": card["files"]["items.parquet"]})),
        "card.json: files.../../etc/passwd",
    ),
    "an absolute file": (
        lambda at: edit(at, lambda card: card["files"].update({"/etc/passwd": card["files"]["items.parquet"]})),
        "card.json: files./etc/passwd",
    ),
    "no table named": (lambda at: edit(at, lambda card: card["files"].pop("users.parquet")), "names no users.parquet"),
    "an unknown key": (lambda at: edit(at, lambda card: card.update(run="rm -rf")), "card.json: run: "),
    "a linked table": (lambda at: replaced_by_link(at, "items.parquet"), "items.parquet: a link, where"),
    "a linked card": (lambda at: replaced_by_link(at, "card.json"), "card.json: a link, where"),
    "a folder as a table": (
        lambda at: ((at / "users.parquet").unlink(), (at / "users.parquet").mkdir()),
        "users.parquet: no regular file",
    ),
    "an item too many": (
        lambda at: rewritten(at, "interactions.parquet", with_column("item", lambda old: old + 1)),
        "no such item",
    ),
    "a user too few": (
        lambda at: rewritten(at, "interactions.parquet", with_column("user", lambda old: old - 1)),
        "interactions.parquet, row 1: no such user",
    ),
    "out of order": (
        lambda at: rewritten(at, "interactions.parquet", lambda table: table.take(list(range(len(table)))[::-1])),
        "interactions.parquet, row 2: out of order",
    ),
    "no items": (
        lambda at: rewritten(at, "interactions.parquet", lambda table: table.drop_columns(["item"])),
        "no column 'item'",
    ),
    "an empty place": (
        lambda at: rewritten(at, "interactions.parquet", with_column("item", lambda old: [None, *old[1:]])),
        "interactions.parquet, row 1: an empty 'item'",
    ),
    "texts as codes": (
        lambda at: rewritten(
            at, "interactions.parquet", lambda table: table.set_column(0, "user", table[0].cast("string"))
        ),
        "column 'user' of string is none of ours",
    ),
    "a column more": (
        lambda at: rewritten(at, "users.parquet", lambda table: table.append_column("x", table["id"])),
        "column 'x' of string is none of ours",
    ),
    "a picture outside": (
        lambda at: rewritten(at, "items.parquet", with_column("picture_offset", lambda old: old + 10**6)),
        "a picture outside pictures.bin",
    ),
    "no parts of a split": (
        lambda at: edit(at, lambda card: card["options"].update(split="global-time")),
        "no column 'part', of a split by global-time",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_is_not_as_it_was_is_one_line(shop: Path, tmp_path: Path, case: str) -> None:
    out = prepared(shop, tmp_path / "out")
    break_it, said = BROKEN[case]
    break_it(out)
    with bounded():
        raw = None
        try:
            raw = open_source(str(out)).read()
        except BenchError as error:
            assert said in str(error), error
        if raw is not None:
            assert raw.images is not None
            with pytest.raises(BenchError, match=said):
                raw.images.load(1, 8)
    assert any(said in fault for fault in faults(out)), faults(out)
    assert not Path("/tmp/tpmebench-was-here").exists()


def test_a_whole_folder_has_no_faults_and_a_stranger_in_it_is_named(shop: Path, tmp_path: Path) -> None:
    out = prepared(shop, tmp_path / "out")
    assert faults(out) == []
    edit(out, lambda card: card["counts"]["interactions"].update(kept=5))
    (out / "notes.txt").write_text("mine")
    assert [fault.partition(": ")[2] for fault in faults(out)] == [
        "says 5 interactions, there are 56",
        "no part of the dataset: move it away",
    ]
