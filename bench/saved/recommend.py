"""What a trained cell recommends after a history of items."""

from dataclasses import dataclass
from difflib import get_close_matches

import torch

from ...datasets.catalogue import Catalogue
from ...errors import BenchError, quoted
from ...reports.figures.recommendations import Shown
from .rebuilt import Rebuilt

_SIDE = 160
"""Pixels of a picture's side, as it is shown."""


@dataclass(frozen=True)
class Recommended:
    """The items of the history, oldest first, and those recommended after it, best first.

    `left_out`: how many of the oldest the model doesn't see.
    """

    history: list[Shown]
    found: list[Shown]
    left_out: int


@torch.no_grad()
def recommend(rebuilt: Rebuilt, history: list[str], count: int) -> Recommended:
    """The items with the highest scores after a history of item ids, without those that stand in it.

    BenchError for an id that the catalogue has not got.
    """
    catalogue, longest = rebuilt.parts.dataset.catalogue, rebuilt.parts.cell.head.max_length
    numbers = _numbers(catalogue, history, rebuilt.parts.cell.dataset)
    seen = torch.tensor([0] * (longest - len(numbers[-longest:])) + numbers[-longest:], device=rebuilt.parts.device)
    scores = rebuilt.parts.recommender.scores(seen[None], rebuilt.embeddings())[0].float()
    scores[[0, *numbers]] = -torch.inf
    best = scores.topk(min(count, int(scores.isfinite().sum())))
    found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return Recommended(
        [_shown(catalogue, number) for number in numbers],
        [_shown(catalogue, number, score) for number, score in found],
        max(0, len(numbers) - longest),
    )


def _numbers(catalogue: Catalogue, history: list[str], dataset: str) -> list[int]:
    if not history:
        raise BenchError("--history: empty; give ids of items, oldest first: --history a,b,c")
    known = {str(name): number for number, name in enumerate(catalogue.ids) if number}
    for name in history:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5) or list(known)[:5]
            hint = f"did you mean '{near[0]}'?" if len(near) == 1 else f"ids are such as {', '.join(near)}"
            raise BenchError(f"--history: no item {quoted(name)} in dataset '{dataset}': {hint}")
    return [known[name] for name in history]


def _shown(catalogue: Catalogue, number: int, score: float | None = None) -> Shown:
    picture = catalogue.images.load(number, _SIDE) if catalogue.images else None
    title = str(catalogue.texts[number]) if catalogue.texts is not None else ""
    return Shown(str(catalogue.ids[number]), title, picture, score)
