"""A user's own data: every format gives the same dataset, and every mistake is named."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tpmebench.datasets.sources.folder import Folder
from tpmebench.errors import BenchError

DESCRIPTION = """
name = "shop"
source = "made up"
licence = "CC0"

[interactions]
file = "ratings.csv"
user = "user_id"
item = "movie_id"
time = "timestamp"
time_unit = "s"

[items]
file = "items.csv"
id = "movie_id"
text = ["title", "overview"]

[images]
folder = "posters"
"""
RATINGS = "user_id,movie_id,rating,timestamp\nu2,01,5,1000000000\nu1,NA,4,1000000200\nu2,3,1,1000000100\n"
ITEMS = 'movie_id,title,overview,poster\n01,One,"First, of\nall",one.png\nNA,Two,,\n3,"Three ""3""", three ,3.png\n'


def read(path):
    return Folder(path, None).read()


def fingerprint(path):
    return Folder(path, None).fingerprint()


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "dataset.toml").write_text(DESCRIPTION)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "posters").mkdir()
    for name in ("01.jpg", "one.png"):
        Image.new("RGB", (4, 4), "blue").save(tmp_path / "posters" / name)
    return tmp_path


def change(folder, old, new, file="dataset.toml"):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def test_rows_texts_times_and_pictures(shop):
    raw = read(shop)
    assert raw.name == "shop"
    assert list(raw.ids) == ["01", "NA", "3"]
    assert raw.texts == ["One First, of\nall", "Two", 'Three "3" three']
    assert raw.interactions.users.tolist() == [0, 1, 0]
    assert raw.interactions.items.tolist() == [0, 1, 2]
    assert raw.interactions.times is not None
    assert raw.interactions.times.tolist() == [1000000000, 1000000200, 1000000100]
    assert list(raw.missing_images) == [1, 2]
    assert raw.facts == {
        "items file": "items.csv, comma-separated",
        "interactions file": "ratings.csv, comma-separated",
        "source": "made up",
        "licence": "CC0",
        "first interaction": "2001-09-09",
        "last interaction": "2001-09-09",
        "picture looked for": "NA.jpg",
        "picture there": "01.jpg",
    }


@pytest.mark.parametrize("form", ["csv.gz", "tsv", "tsv.gz", "parquet"])
def test_every_format_gives_the_same(shop, form):
    expected = read(shop)
    for name in ("ratings", "items"):
        table = pa_csv.read_csv(
            shop / f"{name}.csv",
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types={"movie_id": pa.string()}),
        )
        columns = {key: [str(value) for value in column] for key, column in table.to_pydict().items()}
        path = shop / f"{name}.{form}"
        if form == "parquet":
            pq.write_table(table, path)
        elif form == "csv.gz":
            path.write_bytes(gzip.compress((shop / f"{name}.csv").read_bytes()))
        else:
            rows = [list(columns), *zip(*columns.values(), strict=True)]
            text = "".join("\t".join(field.replace("\n", " ") for field in row) + "\n" for row in rows)
            path.write_bytes(gzip.compress(text.encode()) if form == "tsv.gz" else text.encode())
        change(shop, f"{name}.csv", f"{name}.{form}")
    raw = read(shop)
    assert expected.texts is not None
    assert raw.texts is not None
    assert list(raw.ids) == list(expected.ids)
    assert [text.replace("\n", " ") for text in raw.texts] == [text.replace("\n", " ") for text in expected.texts]
    assert np.array_equal(raw.interactions.users, expected.interactions.users)
    assert np.array_equal(raw.interactions.items, expected.interactions.items)
    assert raw.interactions.times is not None
    assert raw.interactions.times.tolist() == [1000000000, 1000000200, 1000000100]


@pytest.mark.parametrize("form", ["csv", "csv.gz"])
def test_a_table_that_a_spreadsheet_saved(shop, form):
    """With a byte order mark before the first column's name, and the line ends of another system."""
    expected = read(shop)
    for name in ("ratings", "items"):
        text = (shop / f"{name}.csv").read_text().replace("\n", "\r\n").encode("utf-8-sig")
        (shop / f"{name}.csv").unlink()
        (shop / f"{name}.{form}").write_bytes(gzip.compress(text) if form == "csv.gz" else text)
        change(shop, f"{name}.csv", f"{name}.{form}")
    raw = read(shop)
    assert list(raw.ids) == list(expected.ids)
    assert raw.texts is not None and expected.texts is not None
    assert [" ".join(text.split()) for text in raw.texts] == [" ".join(text.split()) for text in expected.texts]
    assert raw.interactions.items.tolist() == expected.interactions.items.tolist()


def test_a_toml_elsewhere_with_absolute_paths(shop, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "shop.toml"
    text = (shop / "dataset.toml").read_text()
    for name in ("ratings.csv", "items.csv", "posters"):
        text = text.replace(f'"{name}"', f'"{shop / name}"')
    elsewhere.write_text(text)
    with pytest.raises(BenchError, match=rf"interactions\.file: .*outside .*folders = \['{shop}'\]"):
        read(elsewhere)
    elsewhere.write_text(f'folders = ["{shop}"]\n{text}')
    assert list(read(elsewhere).ids) == ["01", "NA", "3"]


def test_pictures_by_column(shop):
    change(shop, "[images]", 'image = "poster"\n\n[images]')
    raw = read(shop)
    assert list(raw.missing_images) == [1, 2]
    assert raw.images is not None
    assert raw.images.fingerprint(1) != ""


def test_dates_stand_for_themselves(shop):
    text = RATINGS.replace("1000000000", "2020-01-02").replace("1000000200", "2020-01-04")
    (shop / "ratings.csv").write_text(text.replace("1000000100", "2020-01-03 10:00:00"))
    raw = read(shop)
    assert raw.interactions.times is not None
    assert raw.interactions.times.argsort().tolist() == [0, 2, 1]
    assert raw.facts["last interaction"] == "2020-01-04"


def test_only_what_is_needed(shop):
    (shop / "dataset.toml").write_text(
        'name = "x"\n[interactions]\nfile = "ratings.csv"\nuser = "user_id"\nitem = "movie_id"\n'
        '[items]\nfile = "items.csv"\nid = "movie_id"\n'
    )
    raw = read(shop)
    assert raw.texts is None
    assert raw.images is None
    assert raw.interactions.times is None
    assert raw.facts.keys() == {"items file", "interactions file"}


def test_rows_that_repeat_an_item_word_for_word_are_one_item(shop):
    (shop / "items.csv").write_text(ITEMS + "NA,Two,,other column\n")
    raw = read(shop)
    assert list(raw.ids) == ["01", "NA", "3"]
    assert raw.facts["repeated item rows"] == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "dataset.toml",
            'user = "user_id"',
            'user = "usr_id"',
            r"ratings\.csv, line 1: unknown column 'usr_id': .*'user_id'\?",
        ),
        (
            "dataset.toml",
            '"overview"',
            '"zzz"',
            r"items\.csv, line 1: unknown column 'zzz': choose from: movie_id, title",
        ),
        ("dataset.toml", 'file = "items.csv"', 'file = "itms.csv"', r"itms\.csv: there is no such file"),
        ("dataset.toml", 'folder = "posters"', 'folder = "covers"', r"images\.folder: there is no folder .*covers"),
        ("dataset.toml", 'name = "shop"', "name = shop", r"dataset\.toml: not valid TOML: .*line 2"),
        ("dataset.toml", "licence", "license", r"dataset\.toml: unknown key 'license': did you mean 'licence'\?"),
        ("dataset.toml", "time_unit", "timeunit", r"unknown key 'interactions\.timeunit': .*'interactions\.time_unit'"),
        ("dataset.toml", 'time = "timestamp"\n', "", r"interactions: 'time_unit' stands .* remove the unit$"),
        ("dataset.toml", '= "s"', '= "h"', r"interactions\.time_unit: input should be 's', .* \(got 'h'\)"),
        ("dataset.toml", 'id = "movie_id"', "", r"'items\.id' is missing"),
        ("dataset.toml", 'folder = "posters"', 'folder = "posters"\npattern = "x.jpg"', r"images: pattern 'x\.jpg' is"),
        ("dataset.toml", '\n[images]\nfolder = "posters"', 'image = "poster"', r"items\.image names pictures: add"),
        ("ratings.csv", "u1,NA", "u1,99", r"ratings\.csv, line 3: item '99' is not in .*items\.csv"),
        ("ratings.csv", "1000000200", "yesterday", r"ratings\.csv, line 3: 'yesterday' in column 'timestamp'"),
        ("ratings.csv", "1000000200", "", r"ratings\.csv, line 3: '' in column 'timestamp' is no timestamp"),
        ("ratings.csv", "1000000200", "inf", r"ratings\.csv, line 3: 'inf' in column 'timestamp'"),
        ("ratings.csv", "u1", "", r"ratings\.csv, line 3: column 'user_id' is empty"),
        (
            "ratings.csv",
            "u1,NA",
            "u1,NA,7",
            r"ratings\.csv, line 3: 5 fields, where the first line has 4: mend the row",
        ),
        (
            "items.csv",
            "NA,Two",
            "01,Two",
            r"items\.csv, line 4: item '01' has another 'title' than in .*items\.csv, line 2",
        ),
        ("items.csv", "NA,Two", ",Two", r"items\.csv, line 4: column 'movie_id' is empty"),
    ],
)
def test_mistakes_are_named(shop, file, old, new, message):
    change(shop, old, new, file)
    with pytest.raises(BenchError, match=message) as caught:
        read(shop)
    assert "\n" not in str(caught.value)


def test_the_unit_of_times(shop):
    change(shop, '"s"', '"ms"')
    assert read(shop).facts["last interaction"] == "1970-01-12"


def test_a_unit_that_leads_beyond_this_age(shop):
    change(shop, "1000000200", "1600000000000", "ratings.csv")
    with pytest.raises(BenchError, match=r"the last interaction would be of .*interactions\.time_unit \('s'\)"):
        read(shop)


@pytest.mark.parametrize("unit", ["s", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_dates_in_parquet(shop, unit, zone):
    days = [np.datetime64("2020-01-02T03:04:05", unit) + np.timedelta64(step, "D") for step in (2, 0, 1)]
    dates = pa.array(days, type=pa.timestamp(unit)).cast(pa.timestamp(unit, tz=zone))
    columns = {"user_id": [1, 2, 3], "movie_id": ["01", "01", "3"]}
    pq.write_table(pa.table(columns | {"timestamp": dates}), shop / "ratings.parquet")
    change(shop, "ratings.csv", "ratings.parquet")
    raw = read(shop)
    assert raw.interactions.times is not None
    assert raw.interactions.times.argsort().tolist() == [1, 2, 0]
    assert raw.facts["first interaction"] == "2020-01-02"
    gap = pa.array([days[0], None, days[1]], type=pa.timestamp(unit))
    pq.write_table(pa.table(columns | {"timestamp": gap}), shop / "ratings.parquet")
    with pytest.raises(BenchError, match=r"ratings\.parquet, row 2: '' in column 'timestamp' is no timestamp"):
        read(shop)


def test_categories_and_large_strings_in_parquet(shop):
    columns = {
        "user_id": pa.array(["b", "a", "b"]).dictionary_encode(),
        "movie_id": pa.array(["01", "3", "NA"], type=pa.large_string()),
        "timestamp": pa.array(["3", "2", "1"]),
    }
    pq.write_table(pa.table(columns), shop / "ratings.parquet")
    change(shop, "ratings.csv", "ratings.parquet")
    interactions = read(shop).interactions
    assert interactions.users.tolist() == [0, 1, 0]
    assert interactions.items.tolist() == [0, 2, 1]
    assert interactions.times is not None
    assert interactions.times.tolist() == [3, 2, 1]


def test_a_column_that_holds_something_else(shop):
    table = pa.table({"user_id": [1], "movie_id": ["01"], "timestamp": [[1, 2]]})
    pq.write_table(table, shop / "ratings.parquet")
    change(shop, "ratings.csv", "ratings.parquet")
    with pytest.raises(BenchError, match=r"ratings\.parquet: column 'timestamp' holds list<"):
        read(shop)
    change(shop, 'user = "user_id"', 'user = "timestamp"')
    with pytest.raises(BenchError, match=r"ratings\.parquet: column 'timestamp' holds list<"):
        read(shop)


def test_links_do_not_confuse_the_fingerprint(shop):
    (shop / "posters" / "loop").symlink_to(shop / "posters", target_is_directory=True)
    (shop / "posters" / "gone.jpg").symlink_to(shop / "nowhere.jpg")
    assert fingerprint(shop) == fingerprint(shop)


def test_rows_of_parquet_are_named(shop):
    table = pa.table({"user_id": [1, 2], "movie_id": ["01", "gone"], "timestamp": [1, 2]})
    pq.write_table(table, shop / "ratings.parquet")
    change(shop, "ratings.csv", "ratings.parquet")
    with pytest.raises(BenchError, match=r"ratings\.parquet, row 2: item 'gone'"):
        read(shop)


@pytest.mark.parametrize(("name", "content"), [("ratings.parquet", b"no"), ("ratings.csv.gz", b"no")])
def test_files_of_another_kind(shop, name, content):
    (shop / name).write_bytes(content)
    change(shop, "ratings.csv", name)
    with pytest.raises(BenchError, match=f"{name}, line 1: no table with a column 'user_id': one column only"):
        read(shop)


def test_not_utf8(shop):
    (shop / "items.csv").write_bytes(ITEMS.encode().replace(b"Two", b"\xff\xfe"))
    with pytest.raises(BenchError, match=r"items\.csv, line 4: not UTF-8 text"):
        read(shop)


def test_a_folder_without_description(tmp_path):
    with pytest.raises(BenchError, match=r"dataset\.toml: there is no such file"):
        read(tmp_path)


@pytest.mark.parametrize("changed", ["ratings.csv", "items.csv", "posters/01.jpg", "posters/new.jpg"])
def test_fingerprint_follows_every_file_that_holds_data(shop, changed):
    first = fingerprint(shop)
    assert fingerprint(shop) == first
    with (shop / changed).open("ab") as file:
        file.write(b"\n")
    assert fingerprint(shop) != first


def test_fingerprint_of_a_missing_table(shop):
    (shop / "items.csv").unlink()
    with pytest.raises(BenchError, match=r"items\.csv: there is no such file: correct the path"):
        fingerprint(shop)


def write_parquet_of(folder, table: pa.Table, **settings) -> None:
    """Makes the items' table a Parquet file of other content."""
    text = (folder / "dataset.toml").read_text().replace("items.csv", "items.parquet")
    (folder / "dataset.toml").write_text(text)
    pq.write_table(table, folder / "items.parquet", **settings)


@pytest.mark.parametrize("keeps_dictionary", [True, False])
def test_a_text_that_a_small_parquet_file_repeats_is_not_unpacked(shop, keeps_dictionary):
    rows = pa.array(np.zeros(60_000, np.int32))
    titles = pa.DictionaryArray.from_arrays(rows, pa.array(["x" * (1 << 20)]))
    names = pa.array(map(str, range(60_000)))
    table = pa.table({"movie_id": names, "title": titles, "overview": names, "poster": names})
    write_parquet_of(shop, table, store_schema=keeps_dictionary)
    assert (shop / "items.parquet").stat().st_size < 1 << 21
    with pytest.raises(BenchError, match=r"items\.parquet: unpacks to more than"):
        read(shop)


def test_pages_that_shrank_to_nothing_are_not_unpacked(shop):
    zeros = pa.array(["0" * (1 << 24)] * 5)
    table = pa.table(dict.fromkeys(("movie_id", "title", "overview", "poster"), zeros))
    write_parquet_of(shop, table, compression="zstd", use_dictionary=False)
    with pytest.raises(BenchError, match=r"items\.parquet: unpacks to more than"):
        read(shop)


def test_categories_are_texts_as_others(shop):
    expected = read(shop)
    table = pa_csv.read_csv(
        shop / "items.csv",
        convert_options=pa_csv.ConvertOptions(
            column_types={"movie_id": pa.string()}, strings_can_be_null=False, null_values=[]
        ),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
    )
    write_parquet_of(shop, pa.table({name: table[name].dictionary_encode() for name in table.column_names}))
    found = read(shop)
    assert (found.ids, found.texts) == (expected.ids, expected.texts)


@pytest.mark.parametrize("column", ["movie_id", "title"])
def test_a_column_of_lists_is_named(shop, column):
    values = {name: pa.array(["a", "b"]) for name in ("movie_id", "title", "overview", "poster")}
    write_parquet_of(shop, pa.table(values | {column: pa.array([["a"], ["b"]])}))
    with pytest.raises(BenchError, match=rf"items\.parquet: column '{column}' holds list<"):
        read(shop)
