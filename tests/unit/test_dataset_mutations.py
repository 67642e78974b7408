"""Whatever a dataset folder holds: a dataset or one BenchError, within bounds. tests/soak/mutations.py takes more.

Keys come from the schema of `dataset.toml`, so that a new key needs no new test.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from bounds import bounded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemas import as_toml, mutated

from tpmebench.datasets.sources.description import Description
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import open_source
from tpmebench.errors import BenchError

VALID: dict[str, Any] = {
    "name": "shop",
    "interactions": {"file": "ratings.csv", "user": "user", "item": "item", "time": "time", "time_unit": "s"},
    "items": {"file": "items.csv", "id": "id", "text": ["title"], "image": "picture"},
    "images": {"folder": "pictures", "pattern": "{id}.png"},
}
many = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small dataset, of which nothing is read for the first time when it is: imports take their seconds once."""
    (tmp_path / "pictures").mkdir()
    items = [f"i{n},title {n},i{n}.png" for n in range(8)]
    rows = [f"u{user},i{(user + step) % 8},{1000 + step}" for user in range(4) for step in range(6)]
    (tmp_path / "items.csv").write_text("\n".join(["id,title,picture", *items]) + "\n")
    (tmp_path / "ratings.csv").write_text("\n".join(["user,item,time", *rows]) + "\n")
    for n in range(8):
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / f"i{n}.png")
    (tmp_path / "dataset.toml").write_text(as_toml(VALID))
    load_dataset(str(tmp_path))
    return tmp_path


def assert_readers_are_bounded(folder: Path) -> None:
    """Each of them gives a result or one BenchError that names the folder, within bounds; else AssertionError."""
    readers: list[Callable[[str], object]] = [
        load_dataset,
        lambda spec: open_source(spec).fingerprint(),
        lambda spec: open_source(spec).inspect(pictures=True, strict=True),
    ]
    for read in readers:
        with bounded(str(folder)):
            read(str(folder))


def test_the_shop_itself_is_read(shop: Path):
    assert load_dataset(str(shop)).catalogue.size == 8


@many
@given(values=mutated(Description, VALID))
def test_any_value_of_any_key(shop: Path, values: dict[str, Any]):
    (shop / "dataset.toml").write_bytes(as_toml(values).encode("utf-8", "surrogatepass"))
    assert_readers_are_bounded(shop)


@pytest.mark.parametrize("name", ["a\nb", "a\r::error::b", "\x1b[31m", "\u202egpj"])
@pytest.mark.parametrize("key", ["interactions", "items", "images"])
def test_a_path_in_a_message_is_shown_on_one_line(shop: Path, key: str, name: str):
    changed = VALID | {key: VALID[key] | {"folder" if key == "images" else "file": name}}
    (shop / "dataset.toml").write_text(as_toml(changed))
    with pytest.raises(BenchError) as caught:
        load_dataset(str(shop))
    assert str(caught.value).isprintable()


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """Some bytes changed, and perhaps a stretch of them lost, doubled or replaced."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(0, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(changed))] * 2)))
    middle = data.draw(
        st.sampled_from([bytes(changed[start:stop]), b"", bytes(changed[start:stop]) * 2, b"\0", b"\xff"])
    )
    return bytes(changed[:start]) + middle + bytes(changed[stop:])


@many
@given(data=st.data(), name=st.sampled_from(["dataset.toml", "items.csv", "ratings.csv", "pictures/i0.png"]))
def test_any_damage_to_a_file(shop: Path, data: st.DataObject, name: str):
    whole = (shop / name).read_bytes()
    try:
        (shop / name).write_bytes(damaged(whole, data))
        assert_readers_are_bounded(shop)
    finally:
        (shop / name).write_bytes(whole)


@many
@given(data=st.data())
def test_any_damage_to_a_parquet_table(shop: Path, data: st.DataObject):
    (shop / "dataset.toml").write_text(as_toml(VALID).replace(".csv", ".parquet"))
    for name in ("items", "ratings"):
        pq.write_table(pa_csv.read_csv(shop / f"{name}.csv"), shop / f"{name}.parquet")
    path = shop / f"{data.draw(st.sampled_from(['items', 'ratings']))}.parquet"
    path.write_bytes(damaged(path.read_bytes(), data))
    assert_readers_are_bounded(shop)


FOOTERS = """
import sys
from pathlib import Path
from bounds import bounded
from tpmebench.datasets.tables.reading import read_table

path = Path(sys.argv[1])
whole = path.read_bytes()
read_table(path, ["user", "item"], ["time"])
for place in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole)):
    for value in {0, whole[place] ^ 1, whole[place] ^ 4}:
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        with bounded(path.name):
            read_table(path, ["user", "item"], ["time"])
"""


def test_any_changed_byte_of_a_parquet_footer(shop: Path):
    """In a process of its own: some of what reads a footer ends the process instead of raising an error."""
    pq.write_table(pa_csv.read_csv(shop / "ratings.csv"), shop / "ratings.parquet")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", FOOTERS, shop / "ratings.parquet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.parametrize("name", ["dataset.toml", "items.csv", "ratings.csv", "pictures/i0.png", "pictures"])
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "dangling", "folder", "unreadable"])
def test_what_is_no_file(shop: Path, name: str, kind: str):
    path = shop / name
    path.rename(shop / "moved")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "unreadable":
        (shop / "moved").rename(path)
        path.chmod(0)
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path, "dangling": shop / "gone"}[kind])
    assert_readers_are_bounded(shop)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("user,item,time,user\nu0,i0,1,u1\n", r"ratings\.csv, line 1: column 'user' stands there twice"),
        ("user,item,time\nu0,i0,1e300\n", r"ratings\.csv, line 2: '1e\+300' in column 'time'"),
        ("user,item,time\nu0,i0,9223372036854775807\n", r"line 2: '9223372036854775807' in column 'time'"),
        ("user,item,time\nu0,i0,9000000000000000000\n", "time_unit"),
        (f"user,item,{'n' * 140_000}\nu0,i0,1\n", r"ratings\.csv, line 1: "),
    ],
)
def test_mistakes_in_a_table_name_file_and_place(shop: Path, table: str, message: str):
    (shop / "ratings.csv").write_text(table)
    with pytest.raises(BenchError, match=message):
        load_dataset(str(shop))


@pytest.mark.parametrize(("folder", "message"), [("/", "whole disk|holds more than"), ("..", "holds more than")])
def test_the_whole_disk_is_refused_before_it_is_walked(shop: Path, folder: str, message: str):
    (shop / "dataset.toml").write_text(as_toml(VALID | {"images": {"folder": folder}, "folders": [folder]}))
    start = time.process_time()
    with pytest.raises(BenchError, match=message):
        open_source(str(shop)).fingerprint()
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname", "a/../../outside.png"])
def test_pictures_outside_their_folder_are_refused(shop: Path, name: str):
    text = (shop / "items.csv").read_text().replace("i3.png", name)
    (shop / "items.csv").write_text(text)
    with pytest.raises(BenchError, match="item 'i3' has its picture outside"):
        load_dataset(str(shop))


def test_pictures_behind_a_linked_folder_are_in_the_fingerprint(shop: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (shop / "pictures" / "more").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(shop / "pictures")
    before = open_source(str(shop)).fingerprint()
    (elsewhere / "new.png").write_bytes(b"x")
    assert open_source(str(shop)).fingerprint() != before


@pytest.mark.parametrize("name", ["items.csv", "ratings.csv", "pictures"])
def test_what_the_description_names_leads_to_a_folder_that_it_lists(
    shop: Path, tmp_path_factory: pytest.TempPathFactory, name: str
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (shop / name).rename(elsewhere / name)
    (shop / name).symlink_to(elsewhere / name)
    with pytest.raises(BenchError, match=rf"{name}, a link to {elsewhere}.* is outside .*folders = \['{elsewhere}"):
        load_dataset(str(shop))
    (shop / "dataset.toml").write_text(as_toml(VALID | {"folders": [str(elsewhere)]}))
    assert load_dataset(str(shop)).catalogue.size == 8


@pytest.mark.parametrize("place", ["..", "../..", "/"])
def test_a_link_to_the_folders_above_is_refused_before_they_are_walked(shop: Path, place: str):
    (shop / "pictures" / "more").symlink_to(place)
    with bounded(), pytest.raises(BenchError, match=r"more: a link to .* holds more than pictures"):
        open_source(str(shop)).fingerprint()


def test_a_small_archive_does_not_become_a_large_table(shop: Path, monkeypatch: pytest.MonkeyPatch):
    import gzip

    (shop / "dataset.toml").write_text(as_toml(VALID).replace("ratings.csv", "ratings.csv.gz"))
    with gzip.open(shop / "ratings.csv.gz", "wb") as file:
        file.write(b"user,item,time\n" + b"u0,i0,1\n" * 200_000)
    monkeypatch.setattr("tpmebench.datasets.tables.unpacking.UNPACKED_SMALL", 1 << 18)
    with pytest.raises(BenchError, match=r"ratings\.csv\.gz: unpacks to more than"):
        load_dataset(str(shop))
