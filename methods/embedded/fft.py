"""Full fine-tuning: every parameter of both towers is trained."""

from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..registry import register


@register("fft", family="full")
class FullFineTuning(TowerMethod):
    """Full fine-tuning of both towers."""

    rates = TowerRates(text=5e-5, image=1e-4, rest=1e-4, head=1e-4)

    def adapt(self, tower: Tower) -> None:
        """Everything is trainable as it is."""
