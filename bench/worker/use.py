"""What a method costs once it is trained: encoding items, ranking the catalogue for a user, bytes to ship.

Seconds are those of the evaluations that happen anyhow, or of parts of one where only costs are wanted.
"""

import math
from collections.abc import Callable, Sequence
from statistics import mean

import torch
from torch import Tensor

from ...datasets.catalogue import Sequences
from ...methods.backbones.shipping import merged_size, size
from ...methods.features.content import form_of, typical_items
from ...reports.measurements import Pass, Use
from ..meters.operations import count
from ..meters.waiting import WaitMeter
from .build import TrainedCell
from .evaluation import Evaluator

PASSES = 4
"""Of a cell of which only costs are wanted: one to warm up, and as many as give a mean."""
_SECONDS, _FEW, _PARTS = 2.0, 4, 4
"""For how long each of the two parts of such a pass runs, unless there is less to do; items that tell how many that
are; from how many places of the catalogue they come at least.
"""


def count_use(parts: TrainedCell, evaluator: Evaluator, merged: int | None = None) -> Use:
    """Operations and bytes. Changes no parameter and no generator. `merged`: the encoder's `merged_size`, where that
    cannot be told of its tensors any more.
    """
    recommender, catalogue = parts.recommender, parts.dataset.catalogue.size
    recommender.eval()
    head = size(recommender) - size(recommender.item_encoder)
    cached = list(parts.cache.towers.values()) if parts.cache else []
    towers = [held for held, _ in cached]
    with torch.random.fork_rng(devices=[parts.device] if parts.device.type == "cuda" else []):
        chosen = [(form_of(parts.content.gather(item)), item) for item in typical_items(parts.content)]
        known = {form: count(lambda item=item: evaluator.embeddings([item])) for form, item in dict(chosen).items()}
        items = [known[form] for form, _ in chosen]
        user = count(lambda: evaluator.ranks(parts.dataset.test.subset(slice(1)), evaluator.empty()))
    whole = head + (merged_size(recommender.item_encoder) if merged is None else merged)
    return Use(
        items=catalogue,
        item_operations=round(mean(items)),
        tower_operations=_sum([operations for _, operations in cached]) if cached else None,
        user_operations=user,
        known_bytes=evaluator.empty().nbytes + head,
        new_bytes=_sum([whole, *towers]) if parts.method.reads(parts.backbones) else None,
    )


def _sum(values: Sequence[int | None]) -> int | None:
    """None as soon as one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def sample_passes(evaluator: Evaluator) -> list[Pass]:
    """A few passes over evenly spread parts of the catalogue, and over as many of the test's users as take a while."""
    batches, test = evaluator.batches(), evaluator.dataset.test
    few, first = batches[len(batches) // 2][:_FEW], evaluator.first_users(test)

    def seconds(run: Callable[[], object]) -> float:
        run()  # cold
        watch = evaluator.watch()
        run()
        return max(watch(), 1e-6)

    item = seconds(lambda: evaluator.embeddings([few])) / len(few)
    chunk = seconds(lambda: evaluator.ranks(first, evaluator.empty()))
    chosen = spread(batches, math.ceil(_SECONDS / item))
    users = test.subset(slice(math.ceil(_SECONDS / chunk) * len(first)))
    return [_pass(evaluator, chosen, users) for _ in range(PASSES)]


def _pass(evaluator: Evaluator, batches: Sequence[Tensor], users: Sequences) -> Pass:
    waits = WaitMeter(evaluator.device)
    waits.start()
    watch = evaluator.watch()
    table = evaluator.embeddings(batches)
    encoded = watch()
    evaluator.ranks(users, table)
    ranked = watch() - encoded
    return Pass(
        encoding=encoded,
        items=sum(map(len, batches)),
        ranking=ranked,
        users=len(users),
        waited=waits.stop().waited,
    )


def spread(batches: Sequence[Tensor], items: int) -> list[Tensor]:
    """About so many items of evenly spread batches, in at least four parts where there are as many; at most all."""
    longest = len(batches[0])
    parts = min(len(batches), max(_PARTS, items // longest))
    size = math.ceil(items / parts)
    return [batches[(2 * number + 1) * len(batches) // (2 * parts)][:size] for number in range(parts)]
