"""How the built-in `micro` backbones were pretrained: `python -m tpmebench.methods.micro_recipe` (`make micro-backbones`).

Text: masked language modelling (Devlin et al., 2019) together with the contrast of two titles of one item; image: the contrast of
two drawings of one item (Chen et al., 2020). The items come from a wider world than the benchmark's shop: see `World`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..datasets.bazaar import EMBLEMS
from ..datasets.bazaar_render import Looks, draw, emblems
from ..datasets.bazaar_words import BRANDS, CATEGORIES, MATERIALS, Titles, Vocabulary
from ..files import write_atomic

FOLDER = Path(__file__).parent / "micro"
SEED = 2309
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 1200
BATCH = 256
IMAGE_SIDE = 32
SHAPE = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}

OTHER_MATERIALS = tuple(
    "pine plastic linen rubber silk brass wicker granite felt canvas nylon iron clay paper velvet denim slate jute "
    "porcelain aluminium walnut acrylic satin titanium".split()
)
OTHER_NOUNS = tuple(
    "table pan hat shelf bench drum guitar kite ladder hammer mirror blanket bucket candle carpet comb curtain desk "
    "drawer easel fan fork frame glove grill helmet hook jacket jug knife lantern lock mat needle oven plate puzzle rack "
    "ruler sandal sofa spoon stool suitcase tent toaster towel toy vest whistle".split()
)


@dataclass(frozen=True)
class World:
    """Items to pretrain on: everyday words and every kind of figure; none of the shop's brands, emblems or fixed looks."""

    rng: np.random.Generator

    def vocabulary(self) -> Vocabulary:
        """Invented brands, and nouns and materials of everyday speech, the shop's among them."""
        starts = "ba ce dor el fra gan hel is jor ka lun mar nev ol pra qui ros sta tor ul van wes xi yor zen".split()
        middles = "ba da li mo nar pe ri sho ta vel wi zor".split()
        ends = "bor cor dex fil gon ka lin mar nex nor ra rin so tek tra vex via xis yan zo".split()
        names = {"".join(self.rng.choice(part) for part in (starts, middles, ends)) for _ in range(600)} - set(BRANDS)
        nouns = tuple((noun,) for noun in OTHER_NOUNS) + CATEGORIES
        return Vocabulary(tuple(sorted(names)), MATERIALS + OTHER_MATERIALS, nouns)

    def titles(self, count: int, vocabulary: Vocabulary) -> tuple[Titles, Titles]:
        """Two titles for each of `count` items, in other words and order."""
        brand, material, noun = (
            self.rng.integers(0, len(words), count)
            for words, kinds in ((vocabulary.brands, 8), (vocabulary.materials, 8), (vocabulary.categories, 12))
        )
        first, second = (Titles(int(seed), brand, material, noun, vocabulary) for seed in self.rng.integers(0, 2**31, 2))
        return first, second

    def rack(self, values: int, kinds: int, count: int) -> np.ndarray:
        """Values of `count` items, of which each batch shows a few `kinds` only: no single attribute tells items apart."""
        shown = self.rng.integers(0, values, (-(-count // BATCH), kinds))
        batch = np.arange(count) // BATCH
        return shown[batch, self.rng.integers(0, kinds, count)]

    def pictures(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Two drawings of each of `count` items: same looks; other place, size, light, ground and noise."""
        rng = self.rng
        marks = emblems(200, seed=int(rng.integers(2**31)), apart=2)
        marks = np.stack([mark for mark in marks if (mark != EMBLEMS).sum(axis=(1, 2)).min() >= 2])
        kinds = 1000
        colours = rng.random((kinds, 3), dtype=np.float32)
        shapes = np.stack([rng.integers(0, 10, kinds), 0.15 + 0.35 * rng.random(kinds)], axis=1).astype(np.float32)
        shapes[shapes[:, 0] == 0, 1] = 0
        patterns = np.stack([rng.integers(0, 4, kinds), 2 + 3 * rng.random(kinds), np.pi * rng.random(kinds)], axis=1)
        colour = colours[self.rack(kinds, 6, count)]
        shape, pattern = shapes[self.rack(kinds, 6, count)], patterns[self.rack(kinds, 6, count)].astype(np.float32)
        looks = {
            "lobes": shape[:, 0],
            "depth": shape[:, 1],
            "weave": pattern[:, 0],
            "waves": pattern[:, 1],
            "angle": pattern[:, 2],
            "emblem": marks[self.rack(len(marks), 8, count)],
        }
        first, second = (
            draw(
                Looks(
                    key=rng.integers(0, 2**63, count).astype(np.uint64),
                    colour=np.clip(colour + 0.1 * rng.standard_normal((count, 3), dtype=np.float32), 0, 1),
                    **looks,
                ),
                IMAGE_SIDE,
            )
            for _ in range(2)
        )
        return first, second


def train_tokenizer(texts: Iterator[str]) -> Any:
    """A WordPiece tokenizer in BERT's manner, of at most `VOCABULARY` pieces."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    alphabet = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789")
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def text_model(vocabulary: int) -> nn.Module:
    """A BERT of the micro shape, with fresh weights from torch's generator."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=vocabulary, max_position_embeddings=64, type_vocab_size=1, **SHAPE)
    return BertModel(config, add_pooling_layer=False)


def image_model() -> nn.Module:
    """A ViT of the micro shape, with fresh weights from torch's generator."""
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(image_size=IMAGE_SIDE, patch_size=8, **SHAPE), add_pooling_layer=False)


def contrast(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """Each row must find its partner among all rows of the other side (Chen et al., 2020)."""
    scores = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / temperature
    labels = torch.arange(len(scores))
    return (functional.cross_entropy(scores, labels) + functional.cross_entropy(scores.T, labels)) / 2


def train(parameters: list[nn.Parameter], loss: Callable[[int], Tensor], steps: int, rate: float = 1e-3) -> None:
    """AdamW with a warm-up of a tenth of the steps and cosine decay; `loss` gives that of a step."""
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: loss {value.item():.3f}", flush=True)


def tokens(tokenizer: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, int64 `[n, longest]`."""
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(texts)
    return torch.tensor([row.ids for row in rows]), torch.tensor([row.attention_mask for row in rows])


def pretrain_text(tokenizer: Any, items: tuple[Titles, Titles], rate: float = 2e-3, mlm=0.5) -> nn.Module:
    """One pass over the items: masked words from their context, and from `[CLS]` the words of the item's other title."""
    width = SHAPE["hidden_size"]
    model = text_model(tokenizer.get_vocab_size())
    read, recall = (nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)) for _ in range(2))
    out = nn.Linear(width, tokenizer.get_vocab_size())
    generator = torch.Generator().manual_seed(SEED)

    def loss(step: int) -> Tensor:
        rows = slice(step * BATCH, (step + 1) * BATCH)
        ids, mask = tokens(tokenizer, items[0][rows])
        others, others_mask = tokens(tokenizer, items[1][rows])
        chosen = (torch.rand(ids.shape, generator=generator) < 0.15) & (ids >= len(SPECIAL))
        output = model(ids.masked_fill(chosen, SPECIAL.index("[MASK]")), mask).last_hidden_state
        masked = functional.cross_entropy(out(read(output[chosen])), ids[chosen])
        words = torch.log_softmax(out(recall(output[:, 0])), dim=-1).gather(1, others)
        m=others>=len(SPECIAL)
        b=-(words*m).sum()/m.sum()
        if step%50==0: print('bag',b.item(),'mlm',masked.item())
        return mlm*masked + b

    train([*model.parameters(), *read.parameters(), *recall.parameters(), *out.parameters()], loss, len(items[0]) // BATCH, rate)
    return model.eval()


def pixels(pictures: np.ndarray) -> Tensor:
    """uint8 `[n, side, side, 3]` to float `[n, 3, side, side]` with mean and deviation 0.5."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def pretrain_image(items: tuple[np.ndarray, np.ndarray], batch: int = 256, rate=1e-3) -> nn.Module:
    """One pass over the items: two drawings must find each other."""
    model = image_model()
    project = nn.Linear(SHAPE["hidden_size"], 64)

    def loss(step: int) -> Tensor:
        rows = slice(step * batch, (step + 1) * batch)
        output = model(pixels(np.concatenate([items[0][rows], items[1][rows]]))).last_hidden_state
        first, second = project(output[:, 0]).chunk(2)
        return contrast(first, second)

    train([*model.parameters(), *project.parameters()], loss, len(items[0]) // batch,rate)
    return model.eval()
