"""How the built-in `micro` backbones were pretrained: `make micro-backbones`, a few minutes on one core.

    python -m tpmebench.methods.micro.recipe [FOLDER]

Text: masked language modelling (Devlin et al., 2019) and, from `[CLS]` alone, the words of the item's other title
(after DupMAE, Liu et al., 2023). Image: two drawings of an item must find each other (SimCLR, Chen et al., 2020).
Then both: titles and drawings must find each other (CLIP, Radford et al., 2021) with the lower half locked (after LiT,
Zhai et al., 2022). The items come from a wider world than the benchmark's shop: see `World`.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...datasets.bazaar.shop import SIZES
from ...files import write_atomic
from .probe import SIDE, Probe, pixels, probe, tokens
from .tokenizer import PIECES, SPECIAL, train_tokenizer
from .world import BATCH, Items, World

FOLDER = Path(__file__).parent
SEED = 2309
SHAPE: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
STEPS, ALIGN_STEPS = 600, 250
RATE, ALIGN_RATE = 2e-3, 1.5e-3
LOCKED = 2
MASKED_SHARE, MASKED_WEIGHT = 0.15, 0.2
TEMPERATURE = 0.1
RANDOM_SEEDS = (1, 2, 3)


def text_model(pieces: int = PIECES) -> Any:
    """A BERT of the micro shape, with fresh weights from torch's generator."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=pieces, max_position_embeddings=64, type_vocab_size=1, **SHAPE)
    return BertModel(config, add_pooling_layer=False)


def image_model() -> Any:
    """A ViT of the micro shape, with fresh weights from torch's generator."""
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(image_size=SIDE, patch_size=8, **SHAPE), add_pooling_layer=False)


def pretrain_text(tokenizer: Any, items: Items) -> Any:
    """Masked words from their context, and from `[CLS]` the words of the item's other title."""
    width, pieces = SHAPE["hidden_size"], tokenizer.get_vocab_size()
    model = text_model(pieces)
    read, recall = (nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)) for _ in range(2))
    guess = nn.Linear(width, pieces)

    def loss(rows: slice) -> Tensor:
        ids, mask = tokens(tokenizer, items.titles[0][rows])
        other, _ = tokens(tokenizer, items.titles[1][rows])
        hidden = (torch.rand(ids.shape) < MASKED_SHARE) & (ids >= len(SPECIAL))
        output = model(ids.masked_fill(hidden, SPECIAL.index("[MASK]")), mask).last_hidden_state
        masked = functional.cross_entropy(guess(read(output[hidden])), ids[hidden])
        recalled = torch.log_softmax(guess(recall(output[:, 0])), dim=-1).gather(1, other)
        return MASKED_WEIGHT * masked - recalled[other >= len(SPECIAL)].mean()

    parameters = nn.ModuleList([model, read, recall, guess]).parameters()
    _train("text", list(parameters), loss, STEPS, RATE)
    return model


def pretrain_image(items: Items) -> Any:
    """Each drawing must find the other one of its item among those of its batch."""
    model = image_model()
    project = nn.Linear(SHAPE["hidden_size"], SHAPE["hidden_size"])

    def loss(rows: slice) -> Tensor:
        output = model(pixels(np.concatenate(items.drawn(rows)))).last_hidden_state
        return _contrast(*project(output[:, 0]).chunk(2))

    _train("image", [*model.parameters(), *project.parameters()], loss, STEPS, RATE)
    return model


def align(text: Any, image: Any, tokenizer: Any, items: Items) -> None:
    """Titles must find the drawings of their items and the reverse; only the upper half of the layers learns."""
    width = SHAPE["hidden_size"]
    project = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width)])

    def loss(rows: slice) -> Tensor:
        ids, mask = tokens(tokenizer, items.titles[0][rows])
        titles = text(ids, mask).last_hidden_state[:, 0]
        drawings = image(pixels(items.drawn(rows)[0])).last_hidden_state[:, 0]
        return _contrast(project[0](titles), project[1](drawings))

    upper = tuple(
        f"{stack}.{layer}." for stack in ("layer", "layers") for layer in range(LOCKED, SHAPE["num_hidden_layers"])
    )
    for name, parameter in [*text.named_parameters(), *image.named_parameters()]:
        parameter.requires_grad_(any(layer in name for layer in upper) or name.startswith("layernorm"))
    learning = [p for module in (text, image, project) for p in module.parameters() if p.requires_grad]
    _train("both", learning, loss, ALIGN_STEPS, ALIGN_RATE)


def _contrast(first: Tensor, second: Tensor) -> Tensor:
    """Each row must find its partner among all rows of the other side, and the reverse."""
    scores = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / TEMPERATURE
    partner = torch.arange(len(scores))
    return (functional.cross_entropy(scores, partner) + functional.cross_entropy(scores.T, partner)) / 2


def _train(name: str, learning: list[nn.Parameter], loss: Callable[[slice], Tensor], steps: int, rate: float) -> None:
    """AdamW over `steps` batches of items in their order, warm-up for a tenth of them and cosine decay."""
    optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        value = loss(slice(step * BATCH, (step + 1) * BATCH))
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(f"{name}: step {step + 1} of {steps}, loss {value.item():.3f}", flush=True)


def _write(folder: Path, text: Any, image: Any, tokenizer: Any, card: str) -> None:
    """Hugging Face folders `text` and `image`, and the card; each file is whole or left as it was."""
    from transformers import PreTrainedTokenizerFast

    # Dropout takes 29 % of a step of full fine-tuning on a CPU; see the card.
    text.config.hidden_dropout_prob = text.config.attention_probs_dropout_prob = 0.0
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
float32 safetensors in Hugging Face's layout, made from nothing by `make micro-backbones` (`methods/micro/recipe.py`,
seed {seed}, one thread, torch {torch}). Licence: Apache-2.0, as the code. All they know is the generated items below:
good for trying methods, not for a real catalogue.

## Recipe
| | text | image |
| --- | --- | --- |
| model | BERT, {pieces} WordPieces | ViT, {side} × {side} pixels, patches of 8 |
| parameters | {text_parameters:,} | {image_parameters:,} |
| first | masked words; the other title's words from `[CLS]` | two drawings of an item find each other |
| then | titles find their drawings: layers {upper} only | drawings find their titles: layers {upper} only |

{items:,} items with two titles and two drawings each, every one seen once in {steps} steps of {batch}; then
{align_steps} such steps on the first of them again. AdamW, peak rates {rate} and {align_rate}, warm-up for a tenth of
the steps, cosine decay; the masked words' loss counts {masked_weight}.

The text model was pretrained with BERT's dropout of 0.1, and its configuration has none: measured once, on two CPU
cores, a step of full fine-tuning takes 77 ms without and 108 ms with it.

## What they know, and what they don't
No item of the benchmark. As with real encoders, everyday words (nouns, materials) are known and brand names are not:
the shop's brands never occur in pretraining and reach the model in pieces. Pictures show any colour, outline and
pattern, but no emblem of the shop. The last step makes the final `[CLS]` say above all what a title and its picture
have in common, the kind of thing; what only one of them shows (brand and material, colour, shape and pattern) stands
better in the states below. That is how encoders come that were trained to match texts and pictures, and it is what
adaptation is for: shoppers also care for the rest.

## Linear probe
Ridge classifier: 1,000 items of the default shop to learn from, 1,000 others to score. On the `[CLS]` states that a
side network reads by default (levels 2 and 4), and on the final `[CLS]` alone; beside each the same network with random
weights (mean of {random_seeds} seeds).

| attribute | pretrained | random weights | margin | final, pretrained | final, random | chance |
| --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def _card(pretrained: Probe, random: Probe, text: Any, image: Any) -> str:
    rows = []
    for name, (states, final) in pretrained.items():
        other_states, other_final = random[name]
        chance = 1 / SIZES[name.split()[1]]
        cells = [f"{states:.3f}", f"{other_states:.3f}", f"{states - other_states:+.3f}"]
        cells += [f"{final:.3f}", f"{other_final:.3f}", f"{chance:.3f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return CARD.format(
        width=SHAPE["hidden_size"],
        depth=SHAPE["num_hidden_layers"],
        seed=SEED,
        torch=torch.__version__.split("+")[0],
        pieces=PIECES,
        side=SIDE,
        text_parameters=sum(parameter.numel() for parameter in text.parameters()),
        image_parameters=sum(parameter.numel() for parameter in image.parameters()),
        items=STEPS * BATCH,
        batch=BATCH,
        steps=STEPS,
        align_steps=ALIGN_STEPS,
        align_rate=ALIGN_RATE,
        upper=f"{LOCKED + 1} and {LOCKED + 2}",
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
    items = world.items(STEPS * BATCH)
    tokenizer = train_tokenizer(items.titles[0][:20_000])
    text, image = pretrain_text(tokenizer, items), pretrain_image(items)
    align(text, image, tokenizer, items)
    pretrained = probe(text, image, tokenizer)
    untrained = []
    for seed in RANDOM_SEEDS:
        torch.manual_seed(seed)
        untrained.append(probe(text_model(tokenizer.get_vocab_size()), image_model(), tokenizer))
    random = {name: tuple(np.mean([accuracy[name] for accuracy in untrained], axis=0).tolist()) for name in pretrained}
    _write(folder, text, image, tokenizer, _card(pretrained, random, text, image))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
