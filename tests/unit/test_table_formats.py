"""One table in every format that tools write: whatever it is called it reads the same, and its format is said."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tpmebench.datasets.tables.parts import table_digest
from tpmebench.datasets.tables.reading import check_columns, column_names, read_table
from tpmebench.errors import BenchError
from tpmebench.files import file_digest

IDS = ["01", "NA", "3", "x y"]
TITLES = ['A 12" pipe, "new"', "First; of\nall", "a | b\tc", ""]
RATINGS = [4.5, 3.0, np.nan, 1.25]
COLUMNS = {"id": IDS, "title": TITLES, "rating": RATINGS}
FRAME = pd.DataFrame(COLUMNS)


def text(separator: str = ",", **settings) -> bytes:
    return FRAME.to_csv(sep=separator, index=False, **settings).encode()


def zipped(content: bytes, *others: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("data/ratings.csv", content)
        for name in others:
            archive.writestr(name, b"x")
    return whole.getvalue()


def parquet(table: pa.Table | None = None) -> bytes:
    whole = io.BytesIO()
    pq.write_table(table or pa.Table.from_pandas(FRAME), whole)
    return whole.getvalue()


def typed(kind: pa.DataType) -> bytes:
    return parquet(pa.table({"id": pa.array(IDS, kind), "title": pa.array(TITLES, kind), "rating": pa.array(RATINGS)}))


CATEGORIES = {name: pa.array(values).dictionary_encode() for name, values in COLUMNS.items() if name != "rating"}
NULLS = pa.table(CATEGORIES | {"rating": pa.array([4.5, 3.0, None, 1.25])})
FORMATS: list[tuple[str, bytes, str]] = [
    ("a.csv", text(), "comma-separated"),
    ("a.parquet", text(), "comma-separated"),
    ("a.txt", text("\t"), "tab-separated"),
    ("a.csv", text("\t"), "tab-separated"),
    ("a.tsv", text("\t", quoting=csv.QUOTE_ALL), "tab-separated"),
    ("a.csv", text(";", decimal=","), "semicolon-separated"),
    ("a.csv", text(";"), "semicolon-separated"),
    ("a.dat", text("|"), "pipe-separated"),
    ("a.csv", b"sep=;\r\n" + text(";", lineterminator="\r\n"), "semicolon-separated"),
    ("a.csv", b"\n\n" + text(), "comma-separated"),
    ("a.csv", text(lineterminator="\r", quoting=csv.QUOTE_NONNUMERIC), "comma-separated"),
    ("a.csv", b"\xef\xbb\xbf" + text(lineterminator="\r\n"), "comma-separated"),
    ("a.csv", text().replace(b"id,title", b" id , title "), "comma-separated"),
    ("a.csv", text("\t").decode().encode("utf-16"), "tab-separated, UTF-16"),
    ("a.csv", b"\xfe\xff" + text().decode().encode("utf-16-be"), "comma-separated, UTF-16"),
    ("a.csv", gzip.compress(text()), "comma-separated, gzip"),
    ("a.tsv.gz", gzip.compress(text("\t")), "tab-separated, gzip"),
    ("a.csv.gz", text(), "comma-separated"),
    ("a.csv.bz2", bz2.compress(text()), "comma-separated, bzip2"),
    ("a.csv", lzma.compress(text()), "comma-separated, xz"),
    ("a.csv.zst", pa.Codec("zstd").compress(text(), asbytes=True), "comma-separated, zstd"),
    ("a.zip", zipped(text(), "__MACOSX/data/._ratings.csv", ".DS_Store"), "comma-separated, zip"),
    ("a.inter", text("\t").replace(b"id\ttitle\trating", b"id:token\ttitle:token_seq\trating:float"), "typed"),
    ("a.parquet", parquet(), "Parquet"),
    ("a.csv", parquet(), "Parquet"),
    ("a.parquet", typed(pa.string_view()), "Parquet"),
    ("a.parquet", typed(pa.large_string()), "Parquet"),
    ("a.parquet", typed(pa.binary()), "Parquet"),
    ("a.parquet", parquet(NULLS), "Parquet"),
]


@pytest.mark.parametrize(("name", "content", "said"), FORMATS, ids=[f"{name} {said}" for name, _, said in FORMATS])
def test_every_format_is_found_and_said(tmp_path: Path, name: str, content: bytes, said: str):
    path = tmp_path / name
    path.write_bytes(content)
    table = read_table(path, ["id", "title"], ["rating"])
    assert said in table.format
    assert check_columns(path, ["title", "id"]) == table.format
    assert column_names(path) == ["id", "title", "rating"]
    assert_same(table)
    assert table_digest(path) == file_digest(path)


def assert_same(table):
    assert table.strings("id") == IDS
    assert table.strings("title") == TITLES
    codes, ids = table.codes("id")
    assert (codes.tolist(), ids.to_pylist()) == ([0, 1, 2, 3], IDS)
    assert np.array_equal(table.numbers("rating"), RATINGS, equal_nan=True)


@pytest.mark.parametrize("write", [lambda part: part.to_csv(index=False).encode(), lambda part: frame_bytes(part)])
def test_parts_in_a_folder_as_spark_leaves_them(tmp_path: Path, write: Callable[[pd.DataFrame], bytes]):
    folder = tmp_path / "ratings.parquet"
    folder.mkdir()
    for name in ("_SUCCESS", ".part-00000.crc", "part-00003"):
        (folder / name).write_bytes(b"" if name == "part-00003" else b"x")
    for part in range(2):
        (folder / f"part-{part:05d}").write_bytes(write(FRAME.iloc[2 * part : 2 * part + 2]))
    table = read_table(folder, ["id", "title"], ["rating"])
    assert_same(table)
    assert table.format.endswith(", 2 parts") and check_columns(folder, ["id"]) == table.format
    assert "part-00001, " in table.where(2) and table.where(2).endswith((" 1", " 2"))
    first = table_digest(folder)
    (folder / "_SUCCESS").write_text("y")
    assert table_digest(folder) == first
    (folder / "part-00000").rename(folder / "part-00007")
    assert table_digest(folder) != first


def test_parts_are_in_the_order_of_their_numbers_beside_other_files(tmp_path: Path):
    folder = tmp_path / "ratings"
    folder.mkdir()
    (folder / "README.md").write_text("# Ratings\n")
    for part in range(12):
        frame = pd.DataFrame({"id": [f"i{part}"]})
        (folder / f"part.{part}.parquet").write_bytes(frame_bytes(frame))
    assert read_table(folder, ["id"]).strings("id") == [f"i{part}" for part in range(12)]


def frame_bytes(frame: pd.DataFrame) -> bytes:
    return parquet(pa.Table.from_pandas(frame, preserve_index=False))


def test_what_folders_say_is_a_column(tmp_path: Path):
    for year, rows in ((2019, FRAME.iloc[:1]), (2020, FRAME.iloc[1:])):
        (tmp_path / "all" / f"year={year}" / "kind=a%20b").mkdir(parents=True)
        (tmp_path / "all" / f"year={year}" / "kind=a%20b" / "p.parquet").write_bytes(frame_bytes(rows))
    table = read_table(tmp_path / "all", ["id", "kind"], ["year"])
    assert table.strings("kind") == ["a b"] * 4
    assert table.numbers("year").tolist() == [2019, 2020, 2020, 2020]
    assert "year" in column_names(tmp_path / "all")


def test_ids_of_which_pandas_made_fractions_are_the_numbers_that_they_were(tmp_path: Path):
    ids = pd.DataFrame({"id": [12.0, 3e15, 7.0], "half": [0.5, 1.0, 2.0]})
    ids.to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", ["id", "half"])
    assert table.strings("id") == ["12", "3000000000000000", "7"]
    assert table.strings("half") == ["0.5", "1", "2"]


@pytest.mark.parametrize("content", ["1::b::3\n2::c d::4\n", "1\tb\t3\n2\tc d\t4\n", "1,b,3\n2,c d,4\n"])
def test_a_table_without_a_header(tmp_path: Path, content: str):
    (tmp_path / "ratings.dat").write_text(content)
    table = read_table(tmp_path / "ratings.dat", ["item", "user"], ["time"], header=["user", "item", "time"])
    assert (table.strings("user"), table.strings("item")) == (["1", "2"], ["b", "c d"])
    assert table.times("time")[0].tolist() == [3, 4]
    assert table.where(1).endswith("line 2")


def test_a_text_in_another_encoding_that_the_caller_knows(tmp_path: Path):
    (tmp_path / "u.item").write_bytes("1|Léon|1994\n".encode("latin-1"))
    table = read_table(tmp_path / "u.item", ["title"], header=["id", "title", "year"], encoding="latin-1")
    assert table.strings("title") == ["Léon"]


@pytest.mark.parametrize("content", ["id,title,\n1,a,\n2,b,\n", "id,title\n1,a,\n2,b,\n", "id,title,\n1,a\n2,b\n"])
def test_separators_that_end_rows(tmp_path: Path, content: str):
    (tmp_path / "a.csv").write_text(content)
    table = read_table(tmp_path / "a.csv", ["id", "title"])
    assert (table.strings("id"), table.strings("title")) == (["1", "2"], ["a", "b"])


def test_spaces_after_separators(tmp_path: Path):
    (tmp_path / "a.csv").write_text('id, title, time\n1, "a, b", 7\n2, c, 8\n')
    table = read_table(tmp_path / "a.csv", ["id", "title"], ["time"])
    assert table.strings("title") == ["a, b", "c"]
    assert table.times("time")[0].tolist() == [7, 8]


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_header_alone(tmp_path: Path, ending: str):
    (tmp_path / "a.csv").write_text(f"id,title{ending}")
    table = read_table(tmp_path / "a.csv", ["id"], ["title"])
    assert len(table) == 0 and table.strings("id") == [] and len(table.codes("id")[0]) == 0


def test_a_row_is_found_where_it_begins_also_among_chosen_ones(tmp_path: Path):
    (tmp_path / "a.csv").write_text('id,title\n\n1,"a\nb"\n2,c\n')
    table = read_table(tmp_path / "a.csv", ["id"])
    assert [table.where(row).rpartition("line ")[2] for row in range(2)] == ["3", "5"]
    assert table.take(np.array([1])).where(0) == table.where(1)


def test_numbers_that_change_their_kind_late(tmp_path: Path):
    rows = [f"{row},{row}" for row in range(200_000)]
    (tmp_path / "a.csv").write_text("\n".join(["id,rating", *rows, "x,2.5", "y,"]) + "\n")
    table = read_table(tmp_path / "a.csv", ["id"], ["rating"])
    assert table.numbers("rating")[-3:-1].tolist() == [199_999, 2.5]
    assert np.isnan(table.numbers("rating")[-1])
    assert len(table.codes("id")[1]) == 200_002


RAW = ['"Hello", she said', '5" disk', '"Quoted"', 'a "b" c', '"', "plain"]


@pytest.mark.parametrize("name", ["a.tsv", "a.txt"])
def test_quotes_of_a_table_that_encloses_nothing_stay(tmp_path: Path, name: str):
    (tmp_path / name).write_text("id\ttitle\n" + "".join(f"{row}\t{title}\n" for row, title in enumerate(RAW)))
    assert read_table(tmp_path / name, ["id", "title"]).strings("title") == RAW


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\t|\n\r: ')
TEXT = st.text(CHARACTERS, max_size=12)
PLAIN = TEXT.filter(lambda text: text[:1] != '"' and not set("\t\r\n") & set(text))
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(NAMES, TEXT, st.integers(0, 10**12)), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    pack=st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress, zipped]),
    name=st.sampled_from(["a.csv", "a.tsv", "a.txt", "a.parquet"]),
)
def test_what_is_written_in_any_dialect_reads_the_same(
    tmp_path: Path, rows, delimiter, quoting, end, encoding, pack, name
):
    if quoting == csv.QUOTE_MINIMAL:  # writers enclose no line end but their own
        rows = [(item, "".join(c for c in title if c in end or c not in "\r\n"), time) for item, title, time in rows]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([("item", "title", "time"), *rows])
    (tmp_path / name).write_bytes(pack(written.getvalue().encode(encoding)))
    table = read_table(tmp_path / name, ["item", "title"], ["time"])
    columns = (table.strings("item"), table.strings("title"), table.times("time")[0].tolist())
    assert list(zip(*columns, strict=True)) == rows


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(titles=st.lists(PLAIN, min_size=1, max_size=9))
def test_what_is_written_without_quotes_reads_the_same(tmp_path: Path, titles: list[str]):
    lines = [f"{row}\t{title}\t1" for row, title in enumerate(titles)]
    (tmp_path / "a.tsv").write_bytes("\n".join(["item\ttitle\ttime", *lines, ""]).encode())
    assert read_table(tmp_path / "a.tsv", ["title"]).strings("title") == titles


def test_links_in_a_folder_of_parts_lead_nowhere(tmp_path: Path):
    (tmp_path / "secret.csv").write_bytes(text())
    for name, target in (("file", "../secret.csv"), ("folder", "."), ("above", "..")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "part.csv").symlink_to(target)
        with pytest.raises(BenchError, match=r"part\.csv: a link, where a part of a table is needed"):
            read_table(folder, ["id"])
