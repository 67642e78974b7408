"""What is broken in Amazon's and MicroLens's files, and what its user sees: a line that names the place, or a count."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from published import LAYOUTS, REVIEWERS, TITLES, Broken, edit, microlens_100k

from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import open_source
from tpmebench.errors import BenchError


def content(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: next(iter([*folder.rglob(name), folder / name])).write_bytes(content)


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: next(folder.rglob(name)).unlink()


REVIEWS, META = "Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz"
USERS = r"users? and items?|user, item"
BROKEN = [
    Broken("amazon_2018", "no reviews", remove(REVIEWS), r"no file of reviews .*there is meta_Gift_Cards\.json\.gz"),
    Broken("amazon_2018", "no metadata", remove(META), r"no metadata, .*: add meta_Gift_Cards\.json, plain or as \.gz"),
    Broken(
        "amazon_2018", "two categories", content("Books_5.json.gz", b""), "choose category = .*Books_5, Gift_Cards_5"
    ),
    Broken("amazon_2018", "packed and not", content("Gift_Cards_5.json", b""), "the same reviews twice: .* remove one"),
    Broken(
        "amazon_2018", "a line cut short", edit(REVIEWS, '"verified": true', '"ver'), r"5\.json\.gz, line 1: not a JSON"
    ),
    Broken(
        "amazon_2018", "no time", edit(REVIEWS, '"unixReviewTime"', '"at"'), "line 1: no field 'unixReviewTime', but"
    ),
    Broken(
        "amazon_2018", "time as text", edit(REVIEWS, 'Time": 8', 'Time": "a", "x": 8'), "'unixReviewTime' is no number"
    ),
    Broken("amazon_2018", "times in ms", edit(REVIEWS, 'Time": 8', 'Time": 8000'), "such files have times in 's'"),
    Broken("amazon_2018", "no user", edit(REVIEWS, REVIEWERS[0], ""), r"line \d+: column 'reviewerID' is empty"),
    Broken("amazon_2018", "a user null", edit(REVIEWS, f'"{REVIEWERS[0]}"', "null"), "column 'reviewerID' is empty"),
    Broken("amazon_2018", "cut in half", lambda folder: _halved(folder / REVIEWS), f"{REVIEWS}: cannot be read"),
    Broken("amazon_2018", "a web page", content(REVIEWS, b"<!DOCTYPE html><html>404</html>"), f"{REVIEWS}: .*web page"),
    Broken("amazon_2018", "an array", content(REVIEWS, b"[\n{}\n]\n"), "line 1: a JSON array, where one object a line"),
    Broken("amazon_2018", "empty", content(REVIEWS, b""), f"{REVIEWS}: is empty"),
    Broken(
        "amazon_2018",
        "metadata of 2014",
        content(META, b"{'asin': 'B', 'title': 'x'}\n"),
        "single quotes, as in .*2014",
    ),
    Broken("amazon_2018", "an item no id", edit(META, '"asin": "B', '"asin": "", "x": "B'), "column 'asin' is empty"),
    Broken("amazon_2023", "no parent", edit("Gift_Cards.jsonl.gz", "parent_asin", "parent"), "no field 'parent_asin'"),
    Broken("amazon_2023_split", "no test", remove("*.test.csv"), r"no file of the test split \(Gift_Cards\.test\.csv"),
    Broken(
        "amazon_2023_split", "no column", edit("*.valid.csv", "parent_asin", "item"), "line 1: .*column 'parent_asin'"
    ),
    Broken("amazon_2023_split", "seconds", edit("*.test.csv", ",88", ",88000000"), "such files have times in 'ms'"),
    Broken(
        "amazon_ratings_2018",
        "empty",
        content("Gift_Cards.csv.gz", gzip.compress(b"")),
        "is empty: rows are user, item",
    ),
    Broken(
        "amazon_ratings_2014", "a field more", edit("*.csv", "\n", ",x\n"), r"line 1: 5 fields, where a rating has 4"
    ),
    Broken(
        "amazon_ratings_2014",
        "numbers for ids",
        content("ratings_Gift_Cards.csv", b"1,2,5.0,3\n"),
        "which is which cannot",
    ),
    Broken("amazon_ratings_header", "a header of others", edit("*.csv", "user,item", "who,what"), "no column of user"),
    Broken("microlens", "no pairs", remove("*_pairs.csv"), r"no file of pairs \(\*_pairs\.csv or \*_pairs\.tsv\)"),
    Broken(
        "microlens", "a title alone", edit("*_titles.csv", "4,Se7en", "Se7en"), r"titles\.csv, line 5: no comma: a line"
    ),
    Broken(
        "microlens", "no item", edit("*_titles.csv", "4,Se7en", ",Se7en"), r"titles\.csv, line 5: no item before the"
    ),
    Broken(
        "microlens", "two titles", edit("*_titles.csv", "4,Se7en", "1,Se7en"), "line 5: item '1' has another 'title'"
    ),
    Broken("microlens", "another letter", content("x_titles.csv", b"1,\xff\n"), "several files of titles"),
    Broken(
        "microlens", "not UTF-8", content("*_titles.csv", b"item,title\n1,\xff\n"), r"titles\.csv, line 2: not UTF-8"
    ),
    Broken("microlens", "no time", edit("*_pairs.csv", ",timestamp", ",when"), r"pairs\.csv: no column of timestamp"),
    Broken("microlens_100k", "a user twice", edit("*_pairs.tsv", "101\t", "100\t"), "user '100' stands there again"),
]


def _halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.layout}: {broken.what}")
def test_what_is_broken_is_named(tmp_path: Path, broken: Broken):
    spec = LAYOUTS[broken.layout](tmp_path)
    broken.done(tmp_path)
    with pytest.raises(BenchError, match=broken.said) as caught:
        load_dataset(spec, modalities="text")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_links_are_kept_and_never_followed(tmp_path: Path):
    raw = open_source(LAYOUTS["amazon_2018"](tmp_path)).read()
    assert raw.links is not None and list(raw.links)[:3] == ["", "https://x/l.jpg", ""]
    raw = open_source(LAYOUTS["amazon_2023"](tmp_path / "later")).read()
    assert raw.links is not None and list(raw.links)[:3] == ["", "https://x/l.jpg", "https://x/l.jpg"]


def test_what_was_met_is_counted(tmp_path: Path):
    spec = LAYOUTS["amazon_2018_full"](tmp_path)
    facts = open_source(spec).read().facts
    assert facts["interactions dropped without metadata"] == facts["items without metadata"] == 1
    assert facts["repeated item rows"] == 1
    assert facts["items with cleaned text"] == 3
    assert facts["items without text"] == 1, "a page's script is no title"
    with pytest.raises(BenchError, match=r"json, line 21: item 'B00UNKNOWN' is not in .*meta_Gift_Cards\.json\.gz"):
        open_source(f"{spec},missing_items=error").read()
    texts = open_source(f"{spec},text=as-is").read().texts
    assert texts is not None and texts[3] == "<span>Se7en</span>"


@pytest.mark.parametrize(("year", "order"), [("2014", "user, item"), ("2018", "item, user")])
def test_the_order_that_was_found_is_said(tmp_path: Path, year: str, order: str):
    source = open_source(LAYOUTS[f"amazon_ratings_{year}"](tmp_path))
    assert f"{order}, rating, time (as in {year})" in source.inspect(pictures=False, strict=True)[0]


def test_ratings_alone_are_read_without_texts(tmp_path: Path):
    source = open_source(LAYOUTS["amazon_ratings_2014"](tmp_path))
    (tmp_path / META).unlink()
    raw = source.read()
    assert raw.texts is None and len(raw.ids) == 6
    assert raw.interactions.ratings is not None
    with pytest.raises(BenchError, match=r"has no texts: put the category's metadata, meta_….json\.gz, into"):
        load_dataset(f"amazon-ratings:{tmp_path}", modalities="text")


def test_a_template_of_fields(tmp_path: Path):
    spec = LAYOUTS["amazon_2018"](tmp_path)
    texts = open_source(f"{spec}:template={{title}} ({{category}})").read().texts
    assert texts is not None and texts[0] == "Toy Story (1995) (Gift Cards)"
    with pytest.raises(BenchError, match="no item has a field 'name' with a text: correct template"):
        open_source(f"{spec}:template=name").read()


def test_an_item_without_a_title_is_kept_with_its_cover(tmp_path: Path):
    spec = microlens_100k(tmp_path)
    lines = [f"{1 + item},{title}" for item, title in enumerate(TITLES) if item != 2]
    (tmp_path / "MicroLens-100k_title_en.csv").write_text("\n".join(lines))
    dataset = load_dataset(spec)
    assert dataset.facts["items without metadata"] == dataset.facts["missing titles"] == 1
    assert dataset.facts["missing images"] == 0


def test_a_split_keeps_its_parts(tmp_path: Path):
    spec = LAYOUTS["amazon_2023_split"](tmp_path)
    parts = open_source(spec).read().interactions.parts
    assert parts is not None and parts.tolist() == [0] * 12 + [1] * 4 + [2] * 4
    assert open_source(f"{spec}:split=leave-one-out").read().interactions.parts is None


def test_lines_that_are_empty_count_for_nothing_and_are_counted_on(tmp_path: Path):
    spec = LAYOUTS["amazon_2018"](tmp_path)
    file = tmp_path / REVIEWS
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    value = json.loads(lines[1]) | {"asin": ""}
    file.write_bytes(gzip.compress("\n".join([lines[0], "", json.dumps(value), *lines[2:]]).encode()))
    with pytest.raises(BenchError, match=r"5\.json\.gz, line 3: column 'asin' is empty"):
        open_source(spec).read()
