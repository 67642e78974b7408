"""BitFit (Ben Zaken et al., 2022): only the biases of the towers are trained."""

from torch import nn

from ...errors import BenchError
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..registry import register


@register("bitfit", family="embedded")
class BitFit(TowerMethod):
    """Every bias of both towers (Ben Zaken et al., 2022)."""

    rates = TowerRates(text=5e-5, image=1e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """A tower without any (Qwen3, T5, ModernBERT) gets one of zeros for each linear map of its layers, and a note
        says so: a map without a bias is one whose bias is zero. BenchError for one that has no such map either.
        """
        biases = [bias for bias in _biases(tower) if bias.requires_grad]  # what nothing reads is no part of the tower
        tower.requires_grad_(False)
        if not biases:
            without = [module for module in nn.ModuleList(tower.layers).modules() if isinstance(module, nn.Linear)]
            for linear in without:
                linear.bias = nn.Parameter(linear.weight.new_zeros(linear.out_features))
            biases = [linear.bias for linear in without]
            self.note(tower, f"it has no bias: one of zeros was added to each of its {len(without)} linear maps")
        if not biases:
            raise BenchError(
                f"method 'bitfit': the {tower.shape.modality} tower ({type(tower.model).__name__}) has no bias and no "
                "linear map that could have one: nothing to train; use another method"
            )
        for bias in biases:
            bias.requires_grad_()


def _biases(tower: Tower) -> list[nn.Parameter]:
    return [parameter for name, parameter in tower.named_parameters() if name.endswith("bias")]
