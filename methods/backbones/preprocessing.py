"""Titles to token ids: once for the whole catalogue, padded only when a batch is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ...errors import BenchError
from ...files import digest, file_digest, reason
from ..inputs import TokenBatch
from .hugging_face import nothing_printed
from .source import BackboneSource


class Tokenizer(Protocol):
    """Texts to lists of token ids of at most `length`, special tokens included."""

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def padding(self) -> int: ...

    @property
    def vocabulary(self) -> int:
        """One more than the largest id that a text can have."""
        ...


@dataclass(frozen=True)
class TokenTable:
    """Token ids of every item as windows on one flat array; row 0 (padding) holds an empty text."""

    ids: np.ndarray
    offsets: np.ndarray
    padding: int
    digest: str

    def batch(self, items: np.ndarray) -> TokenBatch:
        """Tokens of some items, padded on the right to the longest of them."""
        starts, stops = self.offsets[items], self.offsets[items + 1]
        index = starts[:, None] + np.arange(int((stops - starts).max()))
        mask = index < stops[:, None]
        ids = np.where(mask, self.ids[np.minimum(index, len(self.ids) - 1)], self.padding)
        return TokenBatch(torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(mask.astype(np.int64)))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.diff(self.offsets)


def token_table(texts: Sequence[str], tokenizer: Tokenizer, length: int) -> TokenTable:
    """Lower-cases (as published) and tokenises every text, in chunks so that a million titles need little memory."""
    chunks: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    for start in range(0, len(texts), 10_000):
        encoded = tokenizer.encode([text.lower() for text in texts[start : start + 10_000]], length)
        rows = [row or [tokenizer.padding] for row in encoded]  # an empty text still has a token to be read at
        lengths.append(np.fromiter((len(row) for row in rows), np.int64, len(rows)))
        chunks.append(np.fromiter((token for row in rows for token in row), np.int32))
    ids, counts = np.concatenate(chunks), np.concatenate(lengths)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    content = digest(tokenizer.fingerprint, str(length), ids.tobytes(), offsets.tobytes())
    return TokenTable(ids, offsets, tokenizer.padding, content)


def make_tokenizer(source: BackboneSource) -> Tokenizer:
    """The backbone's own tokenizer; with random weights and none at hand, one that only has the right cost."""
    if source.weights == "random" and not (source.is_local and (Path(source.location) / "tokenizer.json").exists()):
        return CostTokenizer(source.config.vocab_size)
    return PretrainedTokenizer(source.location, **source.pinned)


class PretrainedTokenizer:
    """A Hugging Face tokenizer, by folder, or by hub id and revision."""

    _VOCABULARY = ("tokenizer.json", "vocab.*", "*.model")
    _SETTINGS = ("*token*.json", "merges.txt")

    def __init__(self, location: str, revision: str | None = None) -> None:
        from transformers import AutoTokenizer

        folder = Path(location)
        if folder.is_dir() and not _matching(folder, self._VOCABULARY):
            # transformers would make one with an empty vocabulary
            raise BenchError(f"{location}: no tokenizer in this model folder; add its tokenizer.json")
        try:
            with nothing_printed():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(
                    location, trust_remote_code=False, revision=revision or "main"
                )
        except Exception as error:  # whatever transformers and tokenizers raise
            raise BenchError(
                f"{location}: no tokenizer ({reason(error)}); add tokenizer.json to the model folder"
            ) from error
        self.padding = self._tokenizer.pad_token_id or 0
        files = _matching(folder, self._VOCABULARY + self._SETTINGS)
        contents = [file_digest(path) for path in files] or [self._tokenizer.backend_tokenizer.to_str()]
        self.fingerprint = digest(*contents)

    @property
    def vocabulary(self) -> int:
        """See `Tokenizer`; added tokens count where every text has them."""
        own = self._tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
        return 1 + max([*own.values(), *self._tokenizer("")["input_ids"]], default=0)

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """See `Tokenizer`."""
        return self._tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


class CostTokenizer:
    """Splits as WordPiece roughly does and hashes the pieces: the right number of tokens, without a vocabulary."""

    padding = 0
    fingerprint = "cost-tokenizer-1"
    _PIECE = re.compile(r"[a-z]{1,7}|[0-9]{1,2}|[^\sa-z0-9]")
    _RESERVED = 1000
    _FIRST, _LAST = 101, 102

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self._buckets = max(vocabulary - self._RESERVED, 1)
        self._offset, self._first, self._last = (
            min(token, vocabulary - 1) for token in (self._RESERVED, self._FIRST, self._LAST)
        )

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """See `Tokenizer`."""
        return [[self._first, *map(self._id, self._PIECE.findall(text)[: length - 2]), self._last] for text in texts]

    def _id(self, piece: str) -> int:
        value = 0
        for character in piece:
            value = (value * 131 + ord(character)) % 1_000_003
        return self._offset + value % self._buckets
