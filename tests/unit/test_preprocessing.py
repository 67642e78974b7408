"""Titles to token ids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.preprocessing import (
    CostTokenizer,
    PretrainedTokenizer,
    TokenTable,
    token_table,
)
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.trial import Frame

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "red", "lamp", "blue"]


class Letters:
    """One token a letter, without special tokens."""

    padding = 99
    vocabulary = 26
    fingerprint = "letters"
    frame = Frame([], [], [1, 2])

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]:
        return [[ord(letter) - 97 for letter in text][:length] for text in texts]


def table(texts: Sequence[str], length: int = 4) -> TokenTable:
    return token_table(["", *texts], Letters(), length)


def test_batches_are_padded_to_their_longest_and_titles_lower_cased() -> None:
    batch = table(["AbC", "d", "efghij"]).batch(np.array([2, 1, 1]))
    assert batch.ids.tolist() == [[3, 99, 99], [0, 1, 2], [0, 1, 2]]
    assert batch.mask.tolist() == [[1, 0, 0], [1, 1, 1], [1, 1, 1]]


def test_long_titles_are_cut() -> None:
    tokens = table(["efghij"], length=4)
    assert tokens.lengths.tolist() == [1, 4]
    assert tokens.batch(np.array([1])).ids.tolist() == [[4, 5, 6, 7]]


def test_an_empty_title_is_one_padding_token() -> None:
    batch = table(["", "ab"]).batch(np.array([1, 0]))
    assert batch.ids.tolist() == [[99], [99]]
    assert batch.mask.tolist() == [[1], [1]]


@given(st.lists(st.text("abcdef", max_size=6), min_size=1, max_size=30), st.data())
@settings(max_examples=50, deadline=None)
def test_batches_hold_what_was_encoded(texts: list[str], data: st.DataObject) -> None:
    tokens = table(texts)
    rows = data.draw(st.lists(st.integers(0, len(texts)), min_size=1, max_size=6))
    batch = tokens.batch(np.array(rows))
    for row, ids, mask in zip(rows, batch.ids.tolist(), batch.mask.tolist(), strict=True):
        expected = Letters().encode(["", *texts][row : row + 1], 4)[0] or [99]
        assert [token for token, kept in zip(ids, mask, strict=True) if kept] == expected
        assert mask == sorted(mask, reverse=True)
        assert set(ids[len(expected) :]) <= {99}
    assert batch.ids.shape[1] == max(tokens.lengths[rows])


def test_the_digest_follows_titles_length_and_tokenizer() -> None:
    class Other(Letters):
        fingerprint = "other"

    digests = [
        table(["ab", "cd"]).digest,
        table(["ab", "ce"]).digest,
        table(["abc", "d"]).digest,
        table(["ab", "cd"], length=5).digest,
        token_table(["", "ab", "cd"], Other(), 4).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert table(["ab", "cd"]).digest == digests[0]


def test_the_cost_tokenizer_gives_about_as_many_tokens_as_a_real_one() -> None:
    tokens = CostTokenizer(30_522).encode(["red desk lamp, 40 watt", "extraordinarily long"], 30)
    assert [len(row) for row in tokens] == [8, 6]
    assert tokens[0][0] == 101
    assert tokens[0][-1] == 102
    assert (
        CostTokenizer(30_522).encode(["a b c d e f"], 5)[0][1:4] == CostTokenizer(30_522).encode(["a b c"], 9)[0][1:4]
    )


@pytest.mark.parametrize("vocabulary", [3, 120, 1001, 30_522])
def test_the_cost_tokenizer_stays_within_the_vocabulary(vocabulary: int) -> None:
    rows = CostTokenizer(vocabulary).encode(["some words of a title 12345 & more"] * 2, 30)
    assert all(0 <= token < vocabulary for row in rows for token in row)


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    """A WordLevel tokenizer as a model folder holds it."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = '{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}'
    (tmp_path / "tokenizer_config.json").write_text(settings)
    return tmp_path


def test_a_pretrained_tokenizer_keeps_its_special_tokens_when_it_cuts(tokenizer_folder: Path) -> None:
    tokenizer = PretrainedTokenizer(str(tokenizer_folder))
    assert tokenizer.encode(["red lamp", "blue blue blue red"], 4) == [[1, 4, 5, 2], [1, 6, 6, 2]]
    assert tokenizer.padding == 0
    assert token_table(["", "Red"], tokenizer, 4).batch(np.array([1])).ids.tolist() == [[1, 4, 2]]


def test_a_pretrained_tokenizer_is_known_by_its_files(tokenizer_folder: Path) -> None:
    first = PretrainedTokenizer(str(tokenizer_folder)).fingerprint
    path = tokenizer_folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"blue"', '"green"'))
    assert PretrainedTokenizer(str(tokenizer_folder)).fingerprint != first


def test_a_folder_without_tokenizer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BenchError, match=r"no tokenizer in this model folder; add its tokenizer\.json"):
        PretrainedTokenizer(str(tmp_path))


def test_random_weights_need_no_tokenizer() -> None:
    assert isinstance(BackboneSource("text", "bert-base", "random").tokenizer(), CostTokenizer)
