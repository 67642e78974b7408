"""Real data, where they are at hand: the splits of the published implementation, number for number."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tpmebench.datasets.catalogue import Sequences
from tpmebench.datasets.images import ImageStore
from tpmebench.datasets.preparation.options import chosen
from tpmebench.datasets.preparation.prepare import Request, prepare_dataset
from tpmebench.datasets.sources.loading import load_dataset

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("TPMEBENCH_SHARED") or HERE.parents[1].parent / "shared")
AMAZON = SHARED / "data" / "amazon-scientific"
MOVIELENS = SHARED / "data" / "ml-100k-posters"


def listed(sequences):
    return [sequences[user].tolist() for user in range(len(sequences))]


def sha256(values):
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def read_by_models(sequences):
    """At most ten items and the target, as the published splits keep them."""
    starts = np.maximum(sequences.starts, sequences.stops - 11)
    return Sequences(sequences.items, starts, sequences.stops)


def histogram(sequences):
    lengths, counts = np.unique(sequences.stops - sequences.starts, return_counts=True)
    return {str(length): int(count) for length, count in zip(lengths, counts, strict=True)}


@pytest.mark.skipif(not AMAZON.is_dir(), reason=f"needs {AMAZON}")
@pytest.mark.parametrize("is_prepared", [False, True])
def test_amazon_scientific_equals_the_published_splits(is_prepared, tmp_path):
    expected = json.loads((HERE / "protocol_amazon_scientific.json").read_text(encoding="utf-8"))
    spec = f"iisan-release:{AMAZON}"
    if is_prepared:
        prepare_dataset(Request(spec, None, chosen()), tmp_path / "scientific", lambda *_: None)
        spec = str(tmp_path / "scientific")
    dataset = load_dataset(spec, modalities="text")
    facts = dataset.facts
    assert facts["users"] == expected["users_kept"]
    assert facts["items"] == dataset.catalogue.size == expected["items_after_clearing"]
    assert facts["interactions"] == expected["interactions_after_truncation"]
    assert facts["training positions"] == expected["train_positions_in_loss"]
    assert facts["repeat test targets"] == expected["test_target_in_history"]
    assert facts["cold test targets"] == expected["test_targets_with_zero_train_count"]
    for name, lengths in expected["length_histograms"].items():
        assert histogram(read_by_models(getattr(dataset, name))) == lengths
    for name, sequence in expected["first_user"].items():
        assert read_by_models(getattr(dataset, name))[0].tolist() == sequence

    hashes = expected["sha256"]
    assert sha256(list(dataset.catalogue.ids[1:])) == hashes["item_names_in_id_order"]
    assert sha256(listed(read_by_models(dataset.train))) == hashes["users_train"]
    assert sha256(listed(read_by_models(dataset.valid))) == hashes["users_valid"]
    assert sha256(listed(read_by_models(dataset.test))) == hashes["users_test"]

    counts, popularity, published = dataset.train_counts, dataset.popularity, expected["popularity"]
    assert counts[1:].sum() == published["denominator"]
    assert np.count_nonzero(counts[1:] == 0) == expected["items_with_zero_train_count"]
    assert counts[1 : 1 + len(published["first10_train_counts"])].tolist() == published["first10_train_counts"]
    assert popularity[:10].tolist() == published["first10"]
    assert popularity[1:].max() == published["max"]
    assert 1 + int(popularity[1:].argmax()) == published["argmax_item"]


@pytest.mark.skipif(not MOVIELENS.is_dir(), reason=f"needs {MOVIELENS}")
def test_movielens_loads_with_nothing_but_a_description(tmp_path):
    (tmp_path / "movielens.toml").write_text(
        f"""
        name = "movielens-100k"
        folders = ["{MOVIELENS}"]
        [interactions]
        file = "{MOVIELENS / "ratings.csv"}"
        user = "user_id"
        item = "movie_id"
        time = "unix_timestamp"
        time_unit = "s"
        [items]
        file = "{MOVIELENS / "items.csv"}"
        id = "movie_id"
        text = ["title", "overview"]
        [images]
        folder = "{MOVIELENS / "posters"}"
        pattern = "{{id}}.jpg"
        """
    )
    dataset = load_dataset(str(tmp_path / "movielens.toml"))
    facts = dataset.facts
    assert facts["users"] == 943
    assert facts["users dropped"] == 0
    assert facts["interactions dropped"] == 100_000 - len(dataset.test.items)
    assert (facts["first interaction"], facts["last interaction"]) == ("1997-09-20", "1998-04-22")
    assert dataset.catalogue.texts is not None
    assert dataset.catalogue.texts[1].startswith("Toy Story (1995) Led by Woody")
    missing = [
        item
        for item in range(1, dataset.catalogue.size + 1)
        if not (MOVIELENS / "posters" / f"{dataset.catalogue.ids[item]}.jpg").is_file()
    ]
    assert facts["missing images"] == len(missing) > 0
    store = ImageStore.open(dataset.catalogue, 32, tmp_path / "store")
    assert store.missing == len(missing)
    assert (store.pixels[missing] == 128).all()
    assert store.pixels[1].std() > 0
