"""The tokenizer of the built-in `micro` text backbone: WordPieces that come out the same on every run."""

import string
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = 1200


def train_tokenizer(texts: Sequence[str]) -> Any:
    """A WordPiece tokenizer in BERT's manner, of at most `PIECES` pieces."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: number for number, piece in enumerate(_word_pieces(texts))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_padding()
    return tokenizer


def _word_pieces(texts: Sequence[str]) -> list[str]:
    """Pieces by the most frequent pair (Sennrich et al., 2016); every word can be spelled with them.

    The library's trainer breaks ties by hash order, so that no two of its runs agree; here the alphabet decides.
    """
    counts = Counter(word for text in texts for word in text.split())
    spelled = {word: [word[0], *(f"##{character}" for character in word[1:])] for word in counts}
    characters = string.ascii_lowercase + string.digits
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    while len(pieces) < PIECES:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = best[0] + best[1].removeprefix("##")
        pieces.append(merged)
        spelled = {word: _merge(parts, best, merged) for word, parts in spelled.items()}
    return list(dict.fromkeys(pieces))


def _merge(parts: list[str], pair: tuple[str, str], merged: str) -> list[str]:
    result: list[str] = []
    for part in parts:
        if result and (result[-1], part) == pair:
            result[-1] = merged
        else:
            result.append(part)
    return result
