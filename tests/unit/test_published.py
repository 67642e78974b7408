"""The layouts in which datasets are published all give the same one, and what is broken in them is named."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from published import HISTORIES, LAYOUTS, covers

from tpmebench.datasets.catalogue import Dataset
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.datasets.sources.registry import open_source
from tpmebench.datasets.sources.tabular import Tabular
from tpmebench.errors import BenchError

WITH_PICTURES = {name for name in LAYOUTS if name.startswith(("pixelrec", "ninerec"))}
WITH_PICTURES |= {
    "movielens_100k",
    "movielens_posters",
    "ducho",
    "perpeft",
    "parquet_pictures",
    "microlens",
    "microlens_100k",
}


def histories(dataset: Dataset) -> set[tuple[str, ...]]:
    texts = [str(text) for text in dataset.catalogue.texts or ()]
    return {tuple(texts[item] for item in dataset.test[user]) for user in range(len(dataset.test))}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_histories(tmp_path: Path, layout: str):
    spec = LAYOUTS[layout](tmp_path)
    dataset = load_dataset(spec, modalities="both" if layout in WITH_PICTURES else "text")
    assert histories(dataset) == HISTORIES
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (4, 4, 4)
    assert dataset.facts["items"] == 6
    assert dataset.facts.get("missing images", 0) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_fingerprint_follows_what_is_read(tmp_path: Path, layout: str):
    spec = LAYOUTS[layout](tmp_path)
    source = open_source(spec)
    assert isinstance(source, Tabular)
    before, contents = source.fingerprint(), source.contents()
    (tmp_path / "notes.txt").write_text("nothing of the dataset's")
    assert open_source(spec).fingerprint() == before
    for file in [*contents.tables, *contents.features.values()]:
        content = file.read_bytes()
        if file.suffix == ".parquet":
            pq.write_table(pq.read_table(file), file, compression="gzip")
        elif file.suffix == ".gz":
            file.write_bytes(gzip.compress(gzip.decompress(content), 1))
        else:
            file.write_bytes(content + b" ")
        assert open_source(spec).fingerprint() != before, file
        file.write_bytes(content)
    for picture in [*tmp_path.rglob("*.jpg")][:1]:
        picture.write_bytes(picture.read_bytes() + b" ")
        assert open_source(spec).fingerprint() != before


def test_features_are_those_of_the_item_with_that_number(tmp_path: Path):
    raw = open_source(LAYOUTS["mmrec"](tmp_path)).read()
    stored = np.load(tmp_path / "text_feat.npy")
    assert sorted(raw.features) == ["image", "text"]
    for row, name in enumerate(raw.ids):
        assert np.array_equal(raw.features["text"].read(np.array([row]))[0], stored[int(name.removeprefix("B00"))])
    assert raw.user_ids is not None
    assert set(raw.user_ids) == {"A0", "A1", "A2", "A3"}


def test_the_published_protocol_in_place_of_a_ready_split(tmp_path: Path):
    spec = LAYOUTS["mmrec"](tmp_path)
    interactions = (tmp_path / "baby.inter").read_text()
    (tmp_path / "baby.inter").write_text(interactions.replace("\t2\n", "\t0\n"))
    with pytest.raises(BenchError, match="0 test targets"):
        load_dataset(spec, modalities="text")
    assert histories(load_dataset(f"{spec}:split=leave-one-out", modalities="text")) == HISTORIES


def test_a_template_of_fields(tmp_path: Path):
    spec = LAYOUTS["movielens_posters"](tmp_path)
    texts = open_source(f"{spec}:template={{title}}. {{overview}}").read().texts
    assert texts is not None
    assert texts[0] == "Toy Story (1995). A film."


def test_what_is_read_and_how_it_is_written_is_said(tmp_path: Path):
    spec = LAYOUTS["movielens_posters"](tmp_path)
    assert open_source(spec).inspect(pictures=True, strict=True) == [
        "interactions file: ratings.csv, comma-separated",
        "items file: items.csv, comma-separated",
        "7 files in posters",
    ]
    facts = load_dataset(spec).facts
    assert facts["interactions file"] == "ratings.csv, comma-separated"
    assert (facts["first interaction"], facts["last interaction"]) == ("1997-12-04", "1997-12-08")


def test_what_systems_leave_is_no_file_of_the_dataset(tmp_path: Path):
    spec = LAYOUTS["recbole"](tmp_path)
    for folder in ("__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "._shop.inter").write_bytes(b"\0\5\x16\7")
        (tmp_path / folder / "other.item").write_text("item_id:token\n")
    assert histories(load_dataset(spec, modalities="text")) == HISTORIES


def test_the_cache_of_the_hub_links_to_its_blobs(tmp_path: Path):
    snapshot, blobs = tmp_path / "datasets--ann--shop" / "snapshots" / "abc", tmp_path / "datasets--ann--shop" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    spec = LAYOUTS["parquet"](snapshot)
    for file in list(snapshot.rglob("*.parquet")):
        blob = blobs / f"{file.parent.name}{file.stem}"
        file.rename(blob)
        file.symlink_to(blob)
    assert histories(load_dataset(spec, modalities="text")) == HISTORIES


def test_where_pictures_would_be_looked_for_is_said(tmp_path: Path):
    spec = LAYOUTS["recbole"](tmp_path)
    with pytest.raises(BenchError, match=r"has no pictures: use --modalities text, or put them into .*images, each"):
        load_dataset(spec)
    covers(tmp_path / "images", [f"i{item}.PNG" for item in range(5)])
    assert load_dataset(spec).facts["missing images"] == 1
