"""Titles to token ids: once for the whole catalogue, padded only when a batch is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ...errors import BenchError
from ...files import digest, file_digest, reason
from ..inputs import TokenBatch
from .anatomy import Place
from .hugging_face import nothing_printed
from .trial import Frame


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

    @property
    def frame(self) -> Frame:
        """What it puts around every text."""
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


_VOCABULARY = ("tokenizer.json", "vocab.*", "*.model")
_SETTINGS = ("*token*.json", "merges.txt")


def has_tokenizer(folder: Path) -> bool:
    """Whether a model folder has one."""
    return bool(_matching(folder, _VOCABULARY))


class PretrainedTokenizer:
    """A Hugging Face tokenizer, by folder, or by hub id and revision."""

    def __init__(self, location: str, revision: str | None = None) -> None:
        from transformers import AutoTokenizer

        folder = Path(location)
        if folder.is_dir() and not has_tokenizer(folder):
            # transformers would make one with an empty vocabulary
            raise BenchError(f"{location}: no tokenizer in this model folder; add its tokenizer.json")
        try:
            with nothing_printed():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(
                    location, trust_remote_code=False, revision=revision or "main"
                )
        except Exception as error:  # whatever transformers and tokenizers raise
            if _lacks_sentencepiece(folder):
                raise BenchError(
                    f"{location}: its vocabulary is sentencepiece's, which is not installed; "
                    "pip install 'tpme-bench[sentencepiece]', or add tokenizer.json to the model folder"
                ) from error
            raise BenchError(
                f"{location}: no tokenizer ({reason(error)}); add tokenizer.json to the model folder"
            ) from error
        self._tokenizer.truncation_side = "right"  # of a long title its beginning is read, whatever the family cuts
        self.padding: int = self._tokenizer.pad_token_id or 0
        files = _matching(folder, _VOCABULARY + _SETTINGS)
        contents = [file_digest(path) for path in files] or [self._tokenizer.backend_tokenizer.to_str()]
        self.fingerprint = digest(*contents)

    @property
    def vocabulary(self) -> int:
        """See `Tokenizer`; added tokens count where every text has them."""
        return 1 + max([*self._own, *self._tokenizer("")["input_ids"]], default=0)

    @property
    def _own(self) -> list[int]:
        """Ids of the vocabulary without what was added to it."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is not None:
            return list(backend.get_vocab(with_added_tokens=False).values())
        added = set(getattr(self._tokenizer, "added_tokens_decoder", {}))
        return [number for number in self._tokenizer.get_vocab().values() if number not in added]

    @property
    def frame(self) -> Frame:
        """What it puts around every text."""
        words = self._words()
        ids, special = list[int](), list[int]()
        for word in [*words[-8:], *words[:8]]:  # words that it knows, for not all know others
            found = self._tokenizer(self._tokenizer.decode([word]), return_special_tokens_mask=True)
            ids, special = list(found["input_ids"]), list(found["special_tokens_mask"])
            if 0 in special:
                break
        inside = special.index(0) if 0 in special else len(ids)
        before = ids[:inside]
        after = [token for token, is_special in zip(ids[inside:], special[inside:], strict=True) if is_special]
        return _frame(before, after, words, self.padding, self._tokenizer.cls_token_id)

    def _words(self) -> list[int]:
        special = {*self._tokenizer.all_special_ids, self.padding}
        return [number for number in sorted(self._own) if number not in special]

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """See `Tokenizer`."""
        return self._tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]


def _frame(before: list[int], after: list[int], words: list[int], padding: int, own: int | None) -> Frame:
    """A frame with a few of the words, no two of which follow on each other. `own`: the id of a class token."""
    chosen = words[:: max(1, len(words) // 16)][:16][::-1] or [padding]
    place: Place | None = None
    if before and own in (before[0], None):
        place = "cls"
    elif after and after[-1] == own:
        place = "last"
    return Frame(before, after, chosen, padding, place)


def _lacks_sentencepiece(folder: Path) -> bool:
    """Whether a folder's vocabulary is sentencepiece's alone, and what reads that is not installed."""
    alone = bool(_matching(folder, ("*.model",))) and not (folder / "tokenizer.json").exists()
    return alone and not (find_spec("sentencepiece") and find_spec("google") and find_spec("google.protobuf"))


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

    @property
    def frame(self) -> Frame:
        """What it puts around every text."""
        words = list(range(self._offset, self._offset + self._buckets)) if self._buckets > 1 else []
        others = [number for number in range(self.vocabulary) if number not in (0, self._first, self._last)]
        return _frame([self._first], [self._last], words or others, self.padding, self._first)

    def encode(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """See `Tokenizer`."""
        number = lru_cache(maxsize=1 << 16)(self._id)
        return [[self._first, *map(number, self._PIECE.findall(text)[: length - 2]), self._last] for text in texts]

    def _id(self, piece: str) -> int:
        value = 0
        for character in piece:
            value = (value * 131 + ord(character)) % 1_000_003
        return self._offset + value % self._buckets
