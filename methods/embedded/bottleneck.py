"""The bottleneck that adapters and side networks are made of."""

from torch import Tensor, nn
from torch.nn import functional

INITIAL_DEVIATION = 0.01


class Bottleneck(nn.Module):
    """x ↦ x + up(ReLU(down(x))); weights N(0, 0.01²), biases 0, so that it starts close to the identity."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        for linear in (self.down, self.up):
            nn.init.normal_(linear.weight, std=INITIAL_DEVIATION)
            nn.init.zeros_(linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Any shape `[…, width]`."""
        return hidden + self.update(hidden)

    def update(self, hidden: Tensor) -> Tensor:
        """What is added to the hidden states."""
        return self.up(functional.relu(self.down(hidden)))
