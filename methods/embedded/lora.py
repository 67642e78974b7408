"""LoRA (Hu et al., 2021): low-rank updates of the query and value projections, through peft."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from ...ranges import RATES, Choice
from ..fusion import TowerRates
from ..method import Dropout, Options, Rank, Scale
from ..registry import register
from .peft.method import PeftMethod
from .peft.targets import TargetName


class LoRAOptions(Options):
    """`r`: rank. `alpha`: the update is scaled by alpha / r. `dropout` on the update's input. `targets`: which maps."""

    r: Rank = 8
    alpha: Scale = 8
    dropout: Dropout = 0.0
    targets: TargetName = Field("qv", exclude_if=lambda targets: targets == "qv")


@register("lora", family="embedded")
class LoRA(PeftMethod):
    """Low-rank updates of the query and value projections (Hu et al., 2021), through peft."""

    options = LoRAOptions
    aliases: ClassVar[Mapping[str, str]] = {"lora_alpha": "alpha"}
    search = RATES | {"r": Choice((4, 8, 16, 32)), "dropout": Choice((0.0, 0.1))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)
    peft_type = "LORA"
    fixed: ClassVar[Mapping[str, Any]] = {}
    """What of peft's config a preset sets beside the options."""

    def settings(self) -> dict[str, Any]:
        chosen = self.chosen
        return {"r": chosen.r, "lora_alpha": chosen.alpha, "lora_dropout": chosen.dropout, **self.fixed}
