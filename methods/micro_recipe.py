"""How the built-in `micro` backbones were pretrained: `make micro-backbones`, a few minutes on one core.

    python -m tpmebench.methods.micro_recipe [FOLDER]

Text: masked language modelling (Devlin et al., 2019) and, from `[CLS]` alone, the words of the item's other title
(after DupMAE, Liu et al., 2023). Image: two drawings of an item must find each other (SimCLR, Chen et al., 2020).
The items come from a wider world than the benchmark's shop: see `World`.
"""

import json
import string
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..datasets.bazaar import SIZES
from ..datasets.bazaar_words import Titles
from ..files import write_atomic
from .micro_probe import SIDE, pixels, probe, tokens
from .micro_world import BATCH, World

FOLDER = Path(__file__).parent / "micro"
SEED = 2309
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = 1200
SHAPE: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
TEXT_STEPS, IMAGE_STEPS = 600, 450
RATE = 2e-3
MASKED_SHARE, MASKED_WEIGHT = 0.15, 0.2
TEMPERATURE = 0.1
RANDOM_SEEDS = (1, 2, 3)


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


def text_model(pieces: int = PIECES) -> Any:
    """A BERT of the micro shape, with fresh weights from torch's generator."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=pieces, max_position_embeddings=64, type_vocab_size=1, **SHAPE)
    return BertModel(config, add_pooling_layer=False)


def image_model() -> Any:
    """A ViT of the micro shape, with fresh weights from torch's generator."""
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(image_size=SIDE, patch_size=8, **SHAPE), add_pooling_layer=False)


def pretrain_text(tokenizer: Any, items: tuple[Titles, Titles]) -> Any:
    """One pass: masked words from their context, and from `[CLS]` the words of the item's other title."""
    width, pieces = SHAPE["hidden_size"], tokenizer.get_vocab_size()
    model = text_model(pieces)
    read, recall = (nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)) for _ in range(2))
    guess = nn.Linear(width, pieces)

    def loss(rows: slice) -> Tensor:
        ids, mask = tokens(tokenizer, items[0][rows])
        other, _ = tokens(tokenizer, items[1][rows])
        hidden = (torch.rand(ids.shape) < MASKED_SHARE) & (ids >= len(SPECIAL))
        output = model(ids.masked_fill(hidden, SPECIAL.index("[MASK]")), mask).last_hidden_state
        masked = functional.cross_entropy(guess(read(output[hidden])), ids[hidden])
        recalled = torch.log_softmax(guess(recall(output[:, 0])), dim=-1).gather(1, other)
        return MASKED_WEIGHT * masked - recalled[other >= len(SPECIAL)].mean()

    _train("text", nn.ModuleList([model, read, recall, guess]), loss, len(items[0]))
    return model.eval()


def pretrain_image(items: tuple[np.ndarray, np.ndarray]) -> Any:
    """One pass: each drawing must find the other one of its item among those of its batch."""
    model = image_model()
    project = nn.Linear(SHAPE["hidden_size"], 64)

    def loss(rows: slice) -> Tensor:
        output = model(pixels(np.concatenate([items[0][rows], items[1][rows]]))).last_hidden_state
        first, second = functional.normalize(project(output[:, 0]), dim=-1).chunk(2)
        scores, partner = first @ second.T / TEMPERATURE, torch.arange(len(first))
        return (functional.cross_entropy(scores, partner) + functional.cross_entropy(scores.T, partner)) / 2

    _train("image", nn.ModuleList([model, project]), loss, len(items[0]))
    return model.eval()


def _train(name: str, modules: nn.Module, loss: Callable[[slice], Tensor], items: int) -> None:
    """AdamW over the items once, warm-up for a tenth of the steps and cosine decay."""
    steps = items // BATCH
    optimiser = torch.optim.AdamW(modules.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        value = loss(slice(step * BATCH, (step + 1) * BATCH))
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(f"{name}: step {step + 1} of {steps}, loss {value.item():.3f}", flush=True)


def _write(folder: Path, text: Any, image: Any, tokenizer: Any, card: str) -> None:
    """Hugging Face folders `text` and `image`, and the card; each file is whole or left as it was."""
    from transformers import PreTrainedTokenizerFast

    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        text.save_pretrained(Path(scratch, "text"))
        image.save_pretrained(Path(scratch, "image"))
        tokenizer.no_padding()
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(
            Path(scratch, "text")
        )
        settings = {
            "do_rescale": True,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "size": {"height": SIDE, "width": SIDE},
        }
        Path(scratch, "text", "special_tokens_map.json").write_text(json.dumps(names, indent=2), encoding="utf-8")
        Path(scratch, "image", "preprocessor_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        for path in Path(scratch).glob("*/*"):
            write_atomic(folder / path.relative_to(scratch), path.read_bytes())
    write_atomic(folder / "CARD.md", card)


CARD = """\
# micro: the built-in backbones

A BERT and a ViT of width {width} and depth {depth}, small enough to train in full on two CPU cores. The weights are
float32 safetensors in Hugging Face's layout, made from nothing by `make micro-backbones` (`methods/micro_recipe.py`,
seed {seed}, one thread, torch {torch}). Licence: Apache-2.0, as the code. All they know is the generated items below:
good for trying methods, not for a real catalogue.

## Recipe
| | text | image |
| --- | --- | --- |
| model | BERT, {pieces} WordPieces | ViT, {side} × {side} pixels, patches of 8 |
| parameters | {text_parameters:,} | {image_parameters:,} |
| objective | masked words, and the other title's words from `[CLS]` | contrast of two drawings of one item |
| items, each seen once | {text_items:,} | {image_items:,} |
| steps of {batch} items | {text_steps} | {image_steps} |

AdamW, peak rate {rate}, warm-up for a tenth of the steps, cosine decay; the masked words' loss counts
{masked_weight}.

## What they have not seen
No item of the benchmark. As with real encoders, everyday words (nouns, materials) are known and brand names are not:
the shop's brands never occur in pretraining and reach the model in pieces. Pictures show any colour, outline and
pattern, but no emblem of the shop, and nothing ties an emblem to a word. So `[CLS]` holds much of what shoppers
choose by, but neither all of it nor in the proportions that matter to them: what is left is adaptation's to find.

## Linear probe
Ridge classifier on the last `[CLS]`: 1,000 items of the default shop to learn from, 1,000 others to score. Beside it
the same networks with random weights (mean of {random_seeds} seeds), and chance.

| attribute | pretrained | random weights | margin | chance |
| --- | --- | --- | --- | --- |
{rows}
"""


def _card(pretrained: dict[str, float], random: dict[str, float], text: Any, image: Any) -> str:
    rows = [
        f"| {name} | {pretrained[name]:.3f} | {random[name]:.3f} | {pretrained[name] - random[name]:+.3f} "
        f"| {1 / SIZES[name.split()[1]]:.3f} |"
        for name in pretrained
    ]
    return CARD.format(
        width=SHAPE["hidden_size"],
        depth=SHAPE["num_hidden_layers"],
        seed=SEED,
        torch=torch.__version__.split("+")[0],
        pieces=PIECES,
        side=SIDE,
        text_parameters=sum(parameter.numel() for parameter in text.parameters()),
        image_parameters=sum(parameter.numel() for parameter in image.parameters()),
        text_items=TEXT_STEPS * BATCH,
        image_items=IMAGE_STEPS * BATCH,
        batch=BATCH,
        text_steps=TEXT_STEPS,
        image_steps=IMAGE_STEPS,
        rate=RATE,
        masked_weight=MASKED_WEIGHT,
        random_seeds=len(RANDOM_SEEDS),
        rows="\n".join(rows),
    )


def main(folder: Path = FOLDER) -> None:
    """Pretrains both models, probes them and writes folder and card."""
    torch.set_num_threads(1)  # sums in another order would give other weights
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    world = World(np.random.default_rng(SEED))
    titles = world.titles(TEXT_STEPS * BATCH)
    tokenizer = train_tokenizer(titles[0][:20_000])
    text = pretrain_text(tokenizer, titles)
    image = pretrain_image(world.pictures(IMAGE_STEPS * BATCH))
    pretrained = probe(text, image, tokenizer)
    untrained = []
    for seed in RANDOM_SEEDS:
        torch.manual_seed(seed)
        untrained.append(probe(text_model(tokenizer.get_vocab_size()), image_model(), tokenizer))
    random = {name: float(np.mean([accuracy[name] for accuracy in untrained])) for name in pretrained}
    _write(folder, text, image, tokenizer, _card(pretrained, random, text, image))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
