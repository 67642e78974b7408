"""Compacter (Karimi Mahabadi et al., 2021): adapters whose maps are sums of Kronecker products."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register
from .bottleneck import INITIAL_DEVIATION
from .ends import adapt_ends

SHARED = "compacter"
"""The name of a tower's shared factors within its model."""


class CompacterOptions(Options):
    """`bottleneck`: hidden width of each adapter. `n`: Kronecker products in each map, and the size of their shared
    factors. `rank`: of the factors that are a map's own.
    """

    bottleneck: Rank = 24
    n: Rank = 4
    rank: Rank = 1


class SharedFactors(nn.Module):
    """The n factors, n × n each, that all maps of a tower share; small, so that it starts close to the identity."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(INITIAL_DEVIATION * torch.randn(n, n, n))


class KroneckerLinear(nn.Module):
    """x ↦ x W + b, W = Σ A_i ⊗ (s_i t_i): A shared, s `[n, reads / n, rank]` and t `[n, rank, gives / n]` its own."""

    def __init__(self, reads: int, gives: int, shared: SharedFactors, rank: int) -> None:
        super().__init__()
        n = len(shared.factors)
        self.left = nn.Parameter(torch.empty(n, reads // n, rank))
        self.right = nn.Parameter(torch.empty(n, rank, gives // n))
        self.bias = nn.Parameter(torch.zeros(gives))
        self._shared = [shared]  # in a list, so that it is a part of the tower alone
        for factor in (*self.left, *self.right):
            nn.init.xavier_uniform_(factor)

    def forward(self, hidden: Tensor) -> Tensor:
        own = self.left @ self.right
        weight = torch.einsum("iab,icd->acbd", self._shared[0].factors, own).reshape(-1, len(self.bias))
        return functional.linear(hidden, weight.T, self.bias)


class KroneckerAdapter(nn.Module):
    """x ↦ x + up(GELU(down(x)))."""

    def __init__(self, width: int, bottleneck: int, shared: SharedFactors, rank: int) -> None:
        super().__init__()
        self.down = KroneckerLinear(width, bottleneck, shared, rank)
        self.up = KroneckerLinear(bottleneck, width, shared, rank)

    def forward(self, hidden: Tensor) -> Tensor:
        """Any shape `[…, width]`."""
        return hidden + self.up(functional.gelu(self.down(hidden)))


@register("compacter", family="embedded")
class Compacter(TowerMethod):
    """Adapters of shared Kronecker factors after attention and feed-forward (Karimi Mahabadi et al., 2021)."""

    options = CompacterOptions
    search = RATES | {"bottleneck": Choice((12, 24, 48, 96)), "rank": Choice((1, 4))}
    rates = TowerRates(text=3e-3, image=3e-3, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """BenchError for a tower without such places, and where `n` does not divide a width."""
        chosen = self.chosen
        if chosen.bottleneck % chosen.n:
            raise BenchError(
                f"method '{self.name}': option 'n': {chosen.n} does not divide the bottleneck, {chosen.bottleneck}; "
                "give one that does"
            )
        shared = SharedFactors(chosen.n)

        def adapter(width: int) -> nn.Module:
            if width % chosen.n:
                raise BenchError(
                    f"method '{self.name}': option 'n': {chosen.n} does not divide {width}, the width of the "
                    f"{tower.shape.modality} tower; give one that does"
                )
            return KroneckerAdapter(width, chosen.bottleneck, shared, chosen.rank)

        adapt_ends(self, tower, adapter)
        tower.model.add_module(SHARED, shared)
