"""BitFit (Ben Zaken et al., 2022): only the biases of the towers are trained."""

from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..registry import register


@register("bitfit", family="embedded")
class BitFit(TowerMethod):
    """Every bias of both towers (Ben Zaken et al., 2022)."""

    rates = TowerRates(text=5e-5, image=1e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        for name, parameter in tower.named_parameters():
            parameter.requires_grad_(name.endswith("bias"))
