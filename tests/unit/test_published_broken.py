"""What is broken in a published dataset, and what its user sees: one line that names the place and the remedy."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from published import LAYOUTS, Broken, edit

from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import open_source
from tpmebench.errors import BenchError


def add(name: str, text: str) -> Callable[[Path], object]:
    """Some text behind the rest of a file."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + text.encode())


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def without_last_column(name: str, separator: str) -> Callable[[Path], object]:
    def done(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(line.rpartition(separator)[0] for line in lines) + "\n")

    return done


def features(values: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "text_feat.npy", values, allow_pickle=True)


def vector(values: np.ndarray) -> Callable[[Path], object]:
    place = Path("visual_embeddings_1", "torch", "ResNet50", "avgpool", "B1.npy")
    return lambda folder: np.save(folder / place, values, allow_pickle=True)


def as_pickle(folder: Path) -> None:
    (folder / "arts_texts_final.json").rename(folder / "arts_texts_final.pickle")


def elsewhere(name: str) -> Callable[[Path], object]:
    """A file moved out of the folder, and a link left to it."""

    def done(folder: Path) -> None:
        place = folder.with_name(f"{folder.name}-elsewhere")
        (folder / name).rename(place)
        (folder / name).symlink_to(place)

    return done


def nested(folder: Path) -> None:
    table = pq.read_table(folder / "meta")
    lists = pa.array([[each] for each in table["title"].to_pylist()])
    for file in (folder / "meta").iterdir():
        file.unlink()
    pq.write_table(table.set_column(1, "title", lists), folder / "meta" / "full-00000-of-00001.parquet")


FULL = np.ones((7, 4), dtype=np.float32)
HALF = "full-00001-of-00002.parquet"
BROKEN = [
    Broken(
        "recbole", "no items", remove("shop.item"), r"no file of items \(\*\.item or \*\.text\); there is shop\.inter"
    ),
    Broken(
        "recbole", "two datasets", lambda at: (at / "b.item").touch(), r"several files of items: b\.item, shop\.item"
    ),
    Broken(
        "recbole", "no times", without_last_column("shop.inter", "\t"), r"shop\.inter: no column says when .*order=rows"
    ),
    Broken(
        "recbole",
        "no users",
        edit("shop.inter", "user_id", "who"),
        r"shop\.inter: no column of user .* among .*who, item_id",
    ),
    Broken("recbole", "nothing in it", lambda at: (at / "shop.inter").write_text(""), r"shop\.inter: is empty"),
    Broken("recbole", "a short row", add("shop.inter", "u1\ti1\n"), r"shop\.inter, line 22"),
    Broken(
        "recbole",
        "a word for a time",
        add("shop.inter", "u1\ti1\t1.0\tsoon\n"),
        r"shop\.inter, line 22: 'soon' .*timestamp",
    ),
    Broken(
        "recbole",
        "no id",
        add("shop.inter", "u1\t\t1.0\t881250949.0\n"),
        r"shop\.inter, line 22: column 'item_id' is empty",
    ),
    Broken(
        *("recbole", "an unknown item", add("shop.inter", "u1\ti9\t1.0\t881250949.0\n")),
        r"shop\.inter, line 22: item 'i9' is not in .*shop\.item",
        ("missing_items=drop", "interactions dropped without metadata", 1),
    ),
    Broken(
        *("recbole", "two titles", add("shop.item", "i0\tToy Story 2\tDrama\n")),
        r"shop\.item, line 9: item 'i0' has another 'movie_title' than in .*line 2",
        ("titles=first", "items with rows that differ (first taken)", 1),
    ),
    Broken(
        *("recbole_split", "no validation", remove("shop.valid.inter")),
        r"one file each of train, valid and test, not shop\.test\.inter, shop\.train\.inter",
    ),
    Broken(
        *("recbole_histories", "two targets of a user", add("shop.test.inter", "0\t1 2\t3\n")),
        r"shop\.test\.inter, line 6: user '0' stands there again",
    ),
    Broken(
        "mmrec", "a fourth part", edit("baby.inter", "\t2\n", "\t3\n"), r"baby\.inter, line \d+: 3 in column 'x_label'"
    ),
    Broken("mmrec", "names for numbers", edit("baby.inter", "0\t0\t", "0\tB00\t"), r"item 'B00'"),
    Broken("mmrec", "too few rows", features(FULL[:5]), r"text_feat\.npy: 5 rows, and none for item 6"),
    Broken("mmrec", "a pickle", features(np.array([{}], dtype=object)), r"text_feat\.npy: not a whole \.npy array"),
    Broken(
        "mmrec",
        "half a file",
        lambda at: (at / "text_feat.npy").write_bytes(b"\x93NUMPY\x01"),
        r"text_feat\.npy: not a",
    ),
    Broken("mmrec", "one number", features(np.array(1.0)), r"text_feat\.npy: .*a row an item"),
    Broken("mmrec", "no number", features(np.where(np.eye(7), np.nan, 1.0)), r"text_feat\.npy, row 0 .*not finite"),
    Broken(
        "m3l", "two datasets", lambda at: (at / "x.inter").touch(), r"several files of interactions: m3l-10m\.inter, x"
    ),
    Broken("ducho", "another width", vector(np.ones((1, 9))), r"B1\.npy: 9 numbers, where the others have 8"),
    Broken("ducho", "a pickled vector", vector(np.array([{}], dtype=object)), r"B1\.npy: not a whole \.npy array"),
    Broken("ducho", "a matrix", vector(np.ones((2, 4))), r"B1\.npy: float64 2 × 4, where one vector"),
    Broken("ducho", "no interactions", remove("train.tsv"), r"no file of interactions \(reviews\.tsv\)"),
    Broken("perpeft", "pickled titles", as_pickle, r"arts_texts_final\.pickle: a pickle, which runs code .*json\.dump"),
    Broken(
        "perpeft",
        "no number",
        edit("arts_item2id_final.json", '"1"', '"9"'),
        r"item2id_final\.json: nothing for item 1 ",
    ),
    Broken("perpeft", "three fields", add("arts_final.txt", "1 2 3\n"), r"arts_final\.txt, line 21: a line is a user"),
    Broken(
        *("ninerec", "no times", without_last_column("Bili_Food_pair.csv", ",")),
        r"Bili_Food_pair\.csv: no column says when .*order=rows",
    ),
    Broken("ninerec", "no texts", remove("Bili_Food_item.csv"), r"no file of texts \(\*_item\.csv"),
    Broken("pixelrec", "no items", remove("pixelrec_iteminfo/Pixel200K.csv"), r"no file of items \(item_id,title"),
    Broken("movielens_100k", "no movies", remove("u.item"), r"no file of movies \(u\.item\); there is"),
    Broken("movielens_100k", "a short row", add("u.data", "1\t2\t3\n"), r"u\.data, line 21"),
    Broken("movielens_csv", "no ratings", remove("ratings.csv"), r"no file of ratings \(u\.data or ratings\.dat"),
    Broken(
        "parquet",
        "a part is missing",
        lambda at: (at / "meta" / HALF).unlink(),
        r"meta/full-.*: 1 of 2 parts are there",
    ),
    Broken(
        "parquet",
        "a damaged part",
        lambda at: (at / "meta" / HALF).write_bytes(b"PAR1"),
        r"meta/full-00001.*cannot be read",
    ),
    Broken("parquet", "lists for titles", nested, r"column 'title' holds list"),
    Broken(
        "movielens_1m",
        "a file elsewhere",
        elsewhere("movies.dat"),
        r"movies\.dat: a link to .*outside the dataset's folder",
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.layout}: {broken.what}")
def test_what_is_broken_is_named(tmp_path: Path, broken: Broken):
    folder = tmp_path / "data"
    folder.mkdir()
    spec = LAYOUTS[broken.layout](folder)
    broken.done(folder)
    with bounded(str(folder)), pytest.raises(BenchError, match=broken.said) as error:
        load_dataset(spec, modalities="text")
    assert re.match(re.escape(str(folder)), str(error.value))
    if broken.repair:
        option, fact, count = broken.repair
        assert load_dataset(f"{spec}:{option}", modalities="text").facts[fact] == count


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("template=titel", r"u\.item: .*unknown column 'titel': did you mean 'title'"),
        ("template={title} {plot}", r"unknown column 'plot'"),
        ("order=random", r"option 'order'"),
        ("posters=here", r"unknown option of dataset movielens 'posters'"),
    ],
)
def test_an_option_that_does_not_fit_is_named(tmp_path: Path, option: str, said: str):
    with pytest.raises(BenchError, match=said):
        open_source(f"{LAYOUTS['movielens_100k'](tmp_path)}:{option}").inspect(pictures=True, strict=True)


def test_a_table_whose_pictures_are_damaged_is_no_end_of_the_others(tmp_path: Path):
    spec = LAYOUTS["parquet_pictures"](tmp_path)
    table = tmp_path / "meta" / "full-00000-of-00002.parquet"
    content = table.read_bytes()
    table.write_bytes(content[:224] + b"\0" + content[224:])  # in a page's head, which pyarrow calls an OSError
    facts = load_dataset(spec).facts
    assert facts["bad pictures"] == facts["missing images"] and facts["bad pictures"] != 0
    assert "cannot be read as a table" in str(facts["first bad pictures"])


def test_an_item_whose_number_is_no_row_of_the_features_is_named(tmp_path: Path):
    spec = LAYOUTS["mmrec"](tmp_path)
    edit("baby.inter", "0\t0\t", "0\t-1\t")(tmp_path)
    with pytest.raises(BenchError, match=r"baby\.inter: item '-1': items are numbers from 0"):
        open_source(f"{spec}:missing_items=keep").read()


@pytest.mark.parametrize("spec", ["ducho:{}:image_features=ResNet", "movielens:{}:order=time", "recbole:{}"])
def test_times_are_needed_unless_it_is_said_that_rows_stand_in_order(tmp_path: Path, spec: str):
    name = spec.partition(":")[0]
    LAYOUTS["movielens_csv" if name == "movielens" else name](tmp_path)
    for file in {*tmp_path.glob("ratings.csv"), *tmp_path.glob("*.inter")}:
        file.write_bytes(file.read_bytes().replace(b"timestamp", b"when"))
    with pytest.raises(BenchError, match=r"no column says when \(timestamp, .*order=rows"):
        open_source(spec.format(tmp_path)).fingerprint()


def test_one_of_several_encoders_has_to_be_chosen(tmp_path: Path):
    (tmp_path / "ducho").mkdir()
    own, _, _ = LAYOUTS["ducho"](tmp_path / "ducho").partition(",image_features")
    with pytest.raises(BenchError, match=r"2 encoders for image_features among .*MMFashion.*: choose image_features ="):
        open_source(own).read()
    spec, _, _ = LAYOUTS["m3l"](tmp_path).partition(":text_features")
    with pytest.raises(BenchError, match=r"text features of several encoders: choose text_features = minilm, mpnet"):
        open_source(f"{spec}:order=rows").fingerprint()


@pytest.mark.parametrize("source", ["recbole", "mmrec", "pixelrec", "movielens", "parquet"])
def test_a_place_that_is_no_folder(tmp_path: Path, source: str):
    (tmp_path / "file.zip").touch()
    with pytest.raises(BenchError, match=r"file\.zip: a file, where .*unpack it"):
        open_source(f"{source}:{tmp_path / 'file.zip'}").inspect(pictures=True, strict=True)
    with pytest.raises(BenchError, match=rf"nowhere: there is no such folder: {source}:PATH"):
        open_source(f"{source}:{tmp_path / 'nowhere'}").inspect(pictures=True, strict=True)
    with pytest.raises(BenchError, match=r"no file of .*; there is file\.zip"):
        load_dataset(f"{source}:{tmp_path}", modalities="text")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Every layout in a folder of its own, read once, so that imports are no part of a bound."""
    found = {}
    for name, write in LAYOUTS.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = folder, write(folder)
        load_dataset(found[name][1], modalities="text")
    return found


@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_whatever_bytes_a_file_has_it_is_read_or_refused_in_one_line(
    made: dict[str, tuple[Path, str]], data: st.DataObject
):
    folder, spec = made[data.draw(st.sampled_from(sorted(made)))]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 40)))
    put = data.draw(
        st.one_of(st.binary(max_size=20), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")))
    )
    file.write_bytes(content[:start] + put + content[stop:])
    try:
        for read in (open_source(spec).fingerprint, lambda: load_dataset(spec)):
            with bounded():
                read()
    finally:
        file.write_bytes(content)
