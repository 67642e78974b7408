"""What is broken in a table, and what its user sees: one line with the file, the place in it, and the remedy."""

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest
from bounds import bounded, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tpmebench.datasets.tables.json_lines import as_text, read_json_lines
from tpmebench.datasets.tables.reading import check_columns, column_names, read_table
from tpmebench.errors import BenchError

GOOD = "user,item,time\nu,i,1\nv,j,2\n"


def archive(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return whole.getvalue()


def saved(write, value) -> bytes:
    whole = io.BytesIO()
    write(value, whole)
    return whole.getvalue()


TABLE = pa.table({"user": ["u"], "item": ["i"], "time": [1]})
PARQUET = saved(pq.write_table, TABLE)
LISTS = saved(pq.write_table, pa.table({"user": [["u"]], "item": ["i"], "time": [1]}))
BROKEN: dict[str, tuple[str, bytes | str, str]] = {
    "an empty file": ("a.csv", "", r"a\.csv: is empty, where a table is needed"),
    "blank lines alone": ("a.csv", "\n \n", r"a\.csv: is empty"),
    "an empty gzip": ("a.csv.gz", gzip.compress(b""), r"a\.csv\.gz: is empty"),
    "a row too long": ("a.csv", GOOD + "w,k,3,4\n", r"a\.csv, line 4: 4 fields, where the first line has 3: mend"),
    "a row too short": ("a.csv", GOOD + "\nw,k\n", r"a\.csv, line 5: 2 fields, where the first line has 3"),
    "a row too long after a title of two lines": ("a.csv", 'user,item,time\n"u\nu",i,1\nv\n', r"line 4: 1 fields"),
    "a quote without an end": (
        "a.csv",
        'user,item,time\nu,i,1\nv,"j,2\n',
        r"a\.csv, line 3: a quote opens there that has no end",
    ),
    "a quote that takes the rest": ("a.csv", 'user,item,time\nu,i,1\nv,"j,2\nw,k,3\n', r"line 3: a quote opens there"),
    "a quote in the last field": ("a.csv", 'time,user,item\n1,u,"i\n2,v,j\n', r"a\.csv, line 2: a quote opens there"),
    "an unknown column": ("a.csv", "usr,item,time\n", r"a\.csv, line 1: unknown column 'user': did you mean 'usr'\?"),
    "a column twice": ("a.csv", "user,item,time,user\n", r"a\.csv, line 1: column 'user' stands there twice"),
    "spaces as separators": ("a.txt", "user item time\nu i 1\n", r"a\.txt, line 1: no table with a column 'user': one"),
    "Latin letters of Windows": ("a.csv", GOOD.encode() + b"\xe9,i,3\n", r"a\.csv, line 4: not UTF-8 text: convert"),
    "UTF-16 without a mark": ("a.csv", GOOD.encode("utf-16-le"), r"a\.csv, line 1: holds NUL bytes.*save it as CSV"),
    "half a gzip": ("a.csv.gz", gzip.compress(GOOD.encode())[:-12], r"a\.csv\.gz: cannot be read as a table: .*end"),
    "damaged gzip": ("a.csv.gz", b"\x1f\x8b\x08\0" + b"\xff" * 40, r"a\.csv\.gz: cannot be read as a table: "),
    "gzip in gzip": (
        "a.csv.gz",
        gzip.compress(gzip.compress(GOOD.encode())),
        r"a\.csv\.gz: packed twice, last with gzip.*unpack it once",
    ),
    "Parquet in gzip": ("a.parquet.gz", gzip.compress(PARQUET), r"a\.parquet\.gz: Parquet that is packed.*unpack it"),
    "a zip of two": (
        "a.zip",
        archive({"a": "x", "b": "y"}),
        r"a\.zip: a zip of 2 files \('a', 'b'\).*name one of them",
    ),
    "a zip of none": ("a.zip", archive({"__MACOSX/a": "x"}), r"a\.zip: a zip of 0 files"),
    "a damaged zip": ("a.zip", archive({"a": GOOD})[:40], r"a\.zip: cannot be read as a table: "),
    "an Excel workbook": (
        "a.csv",
        archive({"xl/workbook.xml": "x"}),
        r"a\.csv: an Excel workbook.*save its sheet as CSV",
    ),
    "an old Excel workbook": ("a.csv", b"\xd0\xcf\x11\xe0" + b"\0" * 99, r"a\.csv: an Excel workbook \(\.xls\)"),
    "a web page": ("a.csv", "\n<!DOCTYPE html>\n<html>Sign in</html>", r"a\.csv: a web page.*the download failed"),
    "a pointer of Git LFS": (
        "a.csv",
        "version https://git-lfs.github.com/spec/v1\n",
        r"pointer of Git LFS.*git lfs pull",
    ),
    "a pickle": ("a.csv", pickle.dumps({"user": 1}), r"a\.csv: a Python pickle, which is never opened"),
    "an array": ("a.csv", saved(lambda value, file: np.save(file, value), np.zeros(3)), r"a\.csv: a NumPy array"),
    "Feather": ("a.parquet", saved(pa_feather.write_feather, TABLE), r"a\.parquet: an Arrow \(Feather\) file"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n" + b"\0" * 9, r"a\.csv: a picture \(PNG\)"),
    "a database": ("a.csv", b"SQLite format 3\0", r"a\.csv: an SQLite database"),
    "JSON": ("a.csv", '{"user": "u"}\n', r"a\.csv: JSON, where a table is needed"),
    "half a Parquet file": ("a.parquet", PARQUET[:-30], r"a\.parquet: cannot be read as a table: "),
    "lists in a column": ("a.parquet", LISTS, r"a\.parquet: column 'user' holds list<.*>: name another column"),
    "a text among numbers": ("a.csv", GOOD + "w,k,soon\n", r"a\.csv, line 4: 'soon' in column 'time' is no number"),
    "no id": ("a.csv", GOOD + ",k,3\n", r"a\.csv, line 4: column 'user' is empty: give every row an id"),
}


@pytest.mark.parametrize(("name", "content", "seen"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_said(tmp_path: Path, name: str, content: bytes | str, seen: str):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with bounded(str(path)), pytest.raises(BenchError, match=seen) as caught:
        table = read_table(path, ["user", "item"], ["time"])
        table.codes("user")
        table.numbers("time")
    assert "\n" not in str(caught.value)
    for look in (lambda: check_columns(path, ["user", "item", "time"]), lambda: column_names(path)):
        with bounded(str(path)):
            look()


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        ({}, r"all: a folder without a part of a table in it"),
        ({"_SUCCESS": "", ".a.csv": GOOD, "empty": ""}, r"all: a folder without a part of a table in it"),
        ({"a.csv": GOOD, "b.csv": "user,item\nu,i\n"}, r"all/b\.csv, line 1: unknown column 'time'"),
        ({"a.csv": GOOD, "b.csv": GOOD + "w\n"}, r"all/b\.csv, line 4: 1 fields"),
        ({"a.parquet": "x", "_delta_log/0.json": "{}"}, r"all: a table of Delta Lake, of which not every part counts"),
        ({"1/2/3/4/5/6/7/8/9/a.csv": GOOD}, r"all/1.*: more stands in it than a table's parts"),
    ],
)
def test_what_is_broken_in_a_folder_is_said_of_its_part(tmp_path: Path, files: dict[str, str], seen: str):
    (tmp_path / "all").mkdir()
    for name, content in files.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_text(content)
    with pytest.raises(BenchError, match=seen):
        read_table(tmp_path / "all", ["user", "item"], ["time"])


LINES = '{"id": "a", "n": 4.0, "more": ["x", {"y": 1}]}\n\n{"id": 7, "more": null, "n": "5"}\n'


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_objects_a_line_are_a_table(tmp_path: Path, pack):
    path = tmp_path / "reviews.json"
    path.write_bytes(pack(LINES.encode()))
    table = read_json_lines(path, ["id", "more", "gone"], ["n", "never"])
    assert table.strings("id") == ["a", "7"]
    assert table.strings("more") == ['["x", {"y": 1}]', ""]
    assert table.strings("gone") == ["", ""]
    assert table.numbers("n").tolist() == [4, 5]
    assert np.isnan(table.numbers("never")).all()
    assert table.where(1) == f"{path}, line 3"
    assert table.format == ("JSON lines" if pack is bytes else "JSON lines, gzip")
    first = read_json_lines(path, ["more"], pick={"more": lambda value: as_text(value[0] if value else None)})
    assert first.strings("more") == ["x", ""]


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("", r"a\.json: is empty"),
        (
            "{'asin': 'a', 'title': \"b\"}\n",
            r"line 1: a Python dictionary in single quotes, as in Amazon's metadata of 2014",
        ),
        ('[{"id": 1}]\n', r"line 1: a JSON array, where one object a line is needed"),
        ('{"id": 1}\n{"id": 2\n', r"line 2: not a JSON object \(.*\): mend or remove the line"),
        ('{"id": 1}\n"two"\n', r"line 2: not a JSON object \(no object\)"),
        ('{"id": 1}\n\n{"n": "many"}\n', r"line 3: 'many' in field 'n' is no number"),
        ('{"id": ' + "[" * 5000 + "]" * 5000 + "}", r"line 1: not a JSON object \(brackets"),
        ("<html></html>", r"a\.json: a web page"),
        ('{"id": "\udcff"}', r"a\.json, line 1: not UTF-8 text"),
    ],
)
def test_what_is_broken_in_json_lines_is_said(tmp_path: Path, content: str, seen: str):
    (tmp_path / "a.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with bounded(), pytest.raises(BenchError, match=seen):
        read_json_lines(tmp_path / "a.json", ["id"], ["n"])


VALUES = st.one_of(st.none(), st.text(max_size=4), st.integers(-9, 9), st.floats(-9, 9), st.booleans())


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(["id", "n", "x"]), VALUES), min_size=1, max_size=6))
def test_lines_read_at_once_and_one_by_one_are_the_same(tmp_path: Path, rows: list[dict]):
    path = tmp_path / "a.json"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tables = []
    for pick in (None, {"id": as_text}):
        try:
            table = read_json_lines(path, ["id"], ["n"], pick)
            tables.append(repr((table.strings("id"), table.data["n"].to_pylist())))  # as text: NaN is not NaN
        except BenchError as error:
            tables.append(str(error))
    assert tables[0] == tables[1]


def test_half_a_character_that_json_can_write_is_no_end(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"id": "a\\ud800"}\n')
    assert read_json_lines(tmp_path / "a.json", ["id"]).strings("id") == ["a?"]
