"""Small steps that are really run on this machine, to learn what a step takes beside its operators."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.batches import Batch, make_batch
from ...methods.head.recommender import SequentialRecommender
from ...methods.head.sasrec import HeadSize, SASRec
from ...methods.inputs import ItemInputs, TokenBatch
from ..meters.clocks import PhaseClock
from .work import StepWork, WorkMode

_LENGTH, _CATALOGUE, _HEAD = 10, 400, 64
_PARTS = ("forward", "backward", "update")


@dataclass(frozen=True)
class Size:
    """A reference step: a tower of so many layers, users a batch, tokens a title."""

    width: int
    layers: int
    users: int
    tokens: int


SIZES = (Size(32, 2, 2, 8), Size(64, 8, 32, 22), Size(384, 2, 16, 22))
"""One that is nearly all launching, one as large as the demo's, one in which products of matrices weigh most."""


@dataclass(frozen=True)
class Part:
    """Forward, backward or update of a reference step: its work, and the seconds that it took."""

    work: StepWork
    seconds: float


class _Titles(nn.Module):
    """An item encoder over titles: BERT's first state, projected."""

    def __init__(self, size: Size) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        config = BertConfig(
            vocab_size=1000,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=max(1, size.width // 32),
            intermediate_size=4 * size.width,
        )
        self.tower = BertModel(config, add_pooling_layer=False)
        self.projection = nn.Linear(size.width, _HEAD)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, 64]`."""
        assert inputs.text is not None
        states = self.tower(input_ids=inputs.text.ids, attention_mask=inputs.text.mask).last_hidden_state
        return self.projection(states[:, 0])


class ReferenceStep:
    """A step of a recommender over titles, trained whole, in the precision of 32 bits."""

    def __init__(self, size: Size, device: torch.device) -> None:
        numbers = np.random.default_rng(0)
        slots = numbers.integers(1, _CATALOGUE + 1, (size.users, _LENGTH + 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = SequentialRecommender(_Titles(size), SASRec(HeadSize(_HEAD, _LENGTH, 0.1)), np.ones(_CATALOGUE + 1))
        self.device = device
        self.recommender = model.to(device).train()
        self.optimiser = torch.optim.Adam(self.recommender.parameters(), fused=True)
        self.batch: Batch = make_batch(slots, "unique").to(device)
        tokens = torch.from_numpy(numbers.integers(1, 1000, (len(self.batch.items), size.tokens))).to(device)
        self.inputs = ItemInputs(self.batch.items, text=TokenBatch(tokens, torch.ones_like(tokens)))
        self._loss = torch.zeros(())

    def observe(self) -> tuple[list[StepWork], WorkMode]:
        """The work of the three parts of a step after the first, and a mode that has the calls of all."""
        every, found = WorkMode(), list[StepWork]()
        for _ in range(2):
            every, found = WorkMode(), []
            with every:
                for run in self._runs():
                    with WorkMode() as mode:
                        run()
                    found.append(mode.work)
        return found, every

    def time(self, rounds: int) -> list[list[float]]:
        """Seconds of the three parts of some steps, after one more to warm up."""
        clock, times = PhaseClock(self.device), list[list[float]]()
        for _ in range(rounds + 1):
            clock.start_epoch()
            for name, run in zip(_PARTS, self._runs(), strict=True):
                with clock.phase(name):
                    run()
            clock.end_step()
            found = clock.end_epoch()
            times.append([getattr(found, name) for name in _PARTS])
        return times[1:]

    def _runs(self) -> list[Callable[[], object]]:
        return [self._forward, lambda: self._loss.backward(), self._update]

    def _forward(self) -> None:
        self._loss = self.recommender.loss(self.batch, self.inputs)

    def _update(self) -> None:
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
