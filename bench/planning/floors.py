"""The least time that a training step can take on a card that isn't here: a floor, never a prediction.

Each operator takes at least as long as its matrix products at the card's rate, and as its bytes at the card's
bandwidth; they run one after another. Kernels begin no faster than they can be launched, which goes on beside them.
Everything else that a step does is left out, so that a real step takes longer: by how much, only the card can say.

The operators are those that a CPU runs. Where a card has one kernel for several of them, it is counted as that one, so
that the floor stays one: dropout draws its mask while it multiplies, and attention keeps its scores on the chip.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch

from ...values import size_in_bytes
from .cards import Card, Rates
from .work import Operator, Shape, StepWork

Bound = Literal["matrix rate", "bandwidth", "launches"]


@dataclass(frozen=True)
class Floor:
    """Seconds of a step that nothing can undercut at a card's data-sheet rates.

    `products` and `transfers`: of all operators, each by itself. `operators`: of each the longer of the two, summed.
    `launches`: of starting them.
    """

    products: float
    transfers: float
    operators: float
    launches: float

    @property
    def seconds(self) -> float:
        """The floor: launching and computing go on side by side."""
        return max(self.operators, self.launches)

    @property
    def bound(self) -> Bound:
        """What holds it up most."""
        if self.launches > self.operators:
            return "launches"
        return "matrix rate" if self.products >= self.transfers else "bandwidth"


def floor(work: StepWork, card: Card) -> Floor:
    """The floor of a step on a card. Which rate holds is said by the dtype that each operator computes in."""
    kernels = _Kernels(work.operators)
    products = transfers = operators = 0.0
    launches = 0
    for operator, times in work.operators.items():
        if kernels.is_part_of_another(operator):
            continue
        computing = operator.operations / rate(operator, card.rates)
        moving = _through_memory(kernels.bytes(operator), card) / card.bandwidth
        products += times * computing
        transfers += times * moving
        operators += times * max(computing, moving)
        launches += 0 if kernels.sees_scores(operator) else times
    return Floor(products, transfers, operators, launches * card.launch)


def rate(operator: Operator, rates: Rates) -> float:
    """Operations a second of what an operator computes in; torch lets convolutions alone round float32 to TF32."""
    if operator.dtype in ("float16", "bfloat16"):
        return getattr(rates, operator.dtype)
    rounded = rates.tf32 if "convolution" in operator.name else None
    return max(rates.float32, rounded or 0.0)


def _through_memory(size: int, card: Card) -> int:
    """Bytes of an operator that cannot have stayed in the cache: what it read may be there from the one before, and
    what it wrote may stay there for the next.
    """
    return max(size - 2 * size_in_bytes(card.cache), 0)


class _Kernels:
    """Which operators of a step are one kernel on a card."""

    def __init__(self, operators: Iterable[Operator]) -> None:
        operators = list(operators)
        self._scores = {
            _places(shape)
            for operator in operators
            if operator.name.startswith(("aten._softmax.", "aten._safe_softmax."))
            for shape in operator.made
            if len(shape.size) > 2
        }
        self._dropped = {
            shape.size
            for operator in operators
            if operator.name.startswith("aten.bernoulli_.")
            for shape in operator.given[:1]
        }

    def is_part_of_another(self, operator: Operator) -> bool:
        """Whether it draws dropout's mask, scales what attention multiplies, or only changes attention's scores."""
        tensors = (*operator.given, *operator.made)
        if operator.name == "aten.mul.Scalar":
            return bool(self._scores)
        if operator.name.startswith(("aten.bernoulli_.", "aten.div_.Scalar")):
            return bool(operator.given) and operator.given[0].size in self._dropped
        return not operator.operations and bool(tensors) and all(_places(each) in self._scores for each in tensors)

    def sees_scores(self, operator: Operator) -> bool:
        """Whether it is of attention, which a card may do in one kernel."""
        return any(_places(each) in self._scores for each in (*operator.given, *operator.made))

    def bytes(self, operator: Operator) -> int:
        """What it moves at least: no scores of attention, and a byte for four of dropout's mask."""
        scores = sum(_bytes(each) for each in (*operator.given, *operator.made) if _places(each) in self._scores)
        left = max(operator.bytes - scores, 0)
        drops = operator.name == "aten.mul.Tensor" and any(each.size in self._dropped for each in operator.given)
        return left * 3 // 4 if drops else left


def _places(shape: Shape) -> tuple[int, tuple[int, ...]]:
    """The same for a batch of heads and for a batch of batches of heads."""
    return prod(shape.size), shape.size[-2:]


def _bytes(shape: Shape) -> int:
    return prod(shape.size) * getattr(torch, shape.dtype).itemsize
