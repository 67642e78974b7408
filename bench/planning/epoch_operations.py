"""Operations of a whole epoch: from few of its batches, where those of all are in proportion to what they show."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ...datasets.batches import ItemBatch
from ...methods.features.content import form_of
from ...methods.inputs import ItemInputs
from ...reports.measurements import Compute
from ..meters.operations import count_step
from ..worker.step import Trainer

_SAMPLED = 8

Form = tuple[tuple[int, ...], ...]
"""Of inputs, as of `form_of`."""


Heads = dict[int, "Law"]
"""What head and loss cost, by the places of a batch."""


def epoch_operations(trainer: Trainer, heaviest: Compute, heads: Heads) -> int | None:
    """Of the first epoch, forward and backward; `heaviest` are those of its heaviest step, whose batch is known.

    `heads`: as found of another method with the same batches and head, or empty; what is found here is added.

    The encoder's grow with the items of a batch, for each length that titles are padded to; those of head and loss with
    items, terms and their product. Both are seen from a few batches and held against others. None where they are not.
    """
    batches, encoders = list(trainer.batches.epoch(0)), dict[Form, Law]()
    forms = [form_of(trainer.content.gather(batch.items)) for batch in batches]
    for places, own in _grouped([batch.places for batch in batches], batches).items():
        if places not in heads:
            heads[places] = Law.of(own, _sizes, lambda batch: _of_head(trainer, batch))
    known, batch, inputs = dict[tuple[Form, int], int](), *trainer.heaviest_batch()
    if "penalty" not in trainer.method.additions:  # else what of the whole is the penalty's is not known
        of_head = heads[batch.places].at(batch)
        known[form_of(inputs), len(batch.items)] = heaviest.forward + heaviest.backward - of_head

    def of_encoder(batch: ItemBatch, form: Form) -> int:
        found = known.get((form, len(batch.items)))
        return _of_encoder(trainer, batch) if found is None else found

    for form, own in _grouped(forms, batches).items():
        encoders[form] = Law.of(own, _of_items, lambda batch, form=form: of_encoder(batch, form))
    if not all(law.holds for law in (*encoders.values(), *heads.values())):
        return None

    def predicted(batch: ItemBatch, form: Form) -> int:
        return encoders[form].at(batch) + heads[batch.places].at(batch)

    # What is left is a penalty of the method's own, the same for every batch.
    beside = heaviest.forward + heaviest.backward - predicted(batch, form_of(inputs))
    if beside < 0 or (beside and "penalty" not in trainer.method.additions):
        return None
    return sum(predicted(batch, form) + beside for batch, form in zip(batches, forms, strict=True))


class Law:
    """A count that is linear in some sizes of a batch, found from a few of the batches; whether it `holds` for them."""

    def __init__(self, sizes: Callable[[ItemBatch], Sequence[int]], factors: np.ndarray, holds: bool) -> None:
        self._sizes, self._factors, self.holds = sizes, factors, holds

    @classmethod
    def of(
        cls,
        batches: Sequence[ItemBatch],
        sizes: Callable[[ItemBatch], Sequence[int]],
        count: Callable[[ItemBatch], int],
    ) -> "Law":
        """Of batches that differ in nothing else; each set of sizes is looked at once."""
        distinct = sorted({tuple(sizes(batch)): batch for batch in batches}.items())
        most = min(len(distinct), _SAMPLED if len(distinct[0][0]) > 2 else 3)
        chosen = [distinct[round(place)] for place in np.linspace(0, len(distinct) - 1, most)]
        rows = np.array([row for row, _ in chosen], dtype=float)
        counts = np.array([count(batch) for _, batch in chosen], dtype=float)
        scale = np.abs(rows).max(0)
        factors = np.linalg.lstsq(rows / scale, counts, rcond=None)[0] / scale
        return cls(sizes, factors, bool(np.all(np.abs(rows @ factors - counts) < 0.5)))

    def at(self, batch: ItemBatch) -> int:
        """Of a batch."""
        return round(float(np.asarray(self._sizes(batch), dtype=float) @ self._factors))


def _of_items(batch: ItemBatch) -> tuple[int, ...]:
    return 1, len(batch.items)


def _sizes(batch: ItemBatch) -> tuple[int, ...]:
    items, terms = len(batch.items), batch.terms
    return 1, items, terms, items * terms


def _of_encoder(trainer: Trainer, batch: ItemBatch) -> int:
    encoder, inputs = trainer.recommender.item_encoder, trainer.content.gather(batch.items)

    def forward() -> Tensor:
        with trainer.autocast:
            return encoder(inputs).sum()

    return _counted(trainer, forward)


def _of_head(trainer: Trainer, batch: ItemBatch) -> int:
    recommender = trainer.recommender
    encoder, width = recommender.item_encoder, recommender.width
    leaf = next(recommender.head.parameters()).detach().new_empty(len(batch.items), width).requires_grad_()

    def forward() -> Tensor:
        with trainer.autocast:
            return recommender.loss(batch, ItemInputs(batch.items))

    recommender.item_encoder = _Given(leaf)
    try:
        return _counted(trainer, forward)
    finally:
        recommender.item_encoder = encoder


def _counted(trainer: Trainer, forward: Callable[[], Tensor]) -> int:
    trainer.recommender.train()
    counted = sum(count_step(forward))
    trainer.optimiser.zero_grad(set_to_none=True)
    return counted


class _Given(nn.Module):
    """An encoder that gives embeddings which stand already."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self._embeddings = [embeddings]

    def forward(self, _inputs: Any) -> Tensor:
        return self._embeddings[0]


def _grouped(keys: Sequence[Any], batches: Sequence[ItemBatch]) -> dict[Any, list[ItemBatch]]:
    found = defaultdict[Any, list[ItemBatch]](list)
    for key, batch in zip(keys, batches, strict=True):
        found[key].append(batch)
    return found
