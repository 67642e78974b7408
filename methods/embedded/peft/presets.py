"""Presets of LoRA: variants that differ in a setting of peft's config, or in their rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from ...fusion import FusedEncoder
from ...method import LearningRates
from ...registry import register
from ..lora import LoRA, LoRAOptions


@dataclass(frozen=True)
class Preset:
    """A variant of LoRA. `fixed`: what of peft's config it sets. `from_weights` as of `PeftMethod`."""

    name: str
    summary: str
    fixed: Mapping[str, Any]
    from_weights: bool = False


PRESETS = (
    Preset("dora", "LoRA of directions, and magnitudes beside them (Liu et al., 2024).", {"use_dora": True}),
    Preset("rslora", "LoRA scaled by alpha / √r (Kalajdzievski, 2023).", {"use_rslora": True}),
    Preset(
        "pissa",
        "LoRA that starts from the upper singular vectors (Meng et al., 2024).",
        {"init_lora_weights": "pissa"},
        from_weights=True,
    ),
    Preset(
        "olora",
        "LoRA that starts from an orthonormal basis of the weights (Büyükakyüz, 2024).",
        {"init_lora_weights": "olora"},
        from_weights=True,
    ),
    Preset(
        "mica",
        "LoRA in the lowest singular vectors, which stay as they are (MiCA, 2026).",
        {"init_lora_weights": "mica"},
        from_weights=True,
    ),
)


class LoRAPlusOptions(LoRAOptions):
    """`ratio`: how many times the rate of A that of B is."""

    ratio: Annotated[float, Field(ge=1, le=1e4, strict=True)] = 16.0


@register("lora-plus", family="embedded")
class LoRAPlus(LoRA):
    """LoRA whose second factor learns faster than the first (Hayou et al., 2024)."""

    options = LoRAPlusOptions
    fixed_proportions = True

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        """The groups of LoRA, with what the second factors have in groups of their own."""
        own = super().learning_rates(encoder)
        second = {id(parameter) for name, parameter in encoder.named_parameters() if ".lora_B." in name}
        groups = dict(own.groups)
        for name, (parameters, rate) in own.groups.items():
            later = [parameter for parameter in parameters if id(parameter) in second]
            if later:
                groups[name] = ([parameter for parameter in parameters if id(parameter) not in second], rate)
                groups[f"{name}, second factors"] = (later, rate * self.chosen.ratio)
        return LearningRates(groups, own.head)


def _add(preset: Preset) -> None:
    own = {"__doc__": preset.summary, "__module__": __name__}
    shared = {"fixed": preset.fixed, "from_weights": preset.from_weights}
    register(preset.name, family="embedded")(type(f"{preset.name.title()}LoRA", (LoRA,), own | shared))


for _preset in PRESETS:
    _add(_preset)
