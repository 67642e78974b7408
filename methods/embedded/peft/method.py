"""One method for every kind of peft: its layers in place of those of a tower that have the roles asked for."""

import re
import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from ....errors import BenchError
from ...backbones.flow import run_tiny
from ...backbones.projections import map_kinds, remember_maps_after_attention, widths
from ...backbones.tower import Tower
from ...fusion import TowerMethod
from .fitting import Fit
from .options import config_of
from .targets import Targets, find_targets

ADAPTER = "default"
"""What peft calls the one adapter that there is."""


class PeftMethod(TowerMethod):
    """Adapts a tower with layers of peft. What is chosen says `targets`.

    `peft_type`: peft's name of the kind. `fitted`: options that fit the widths of what is adapted unless given.
    `from_weights`: whether its start is computed from the weights, which takes time that is no training.
    """

    peft_type: ClassVar[str]
    fitted: ClassVar[Mapping[str, Fit]] = {}
    from_weights: ClassVar[bool] = False

    def settings(self) -> dict[str, Any]:
        """What peft's config is told, but for the modules; `auto` for what is to be fitted."""
        return self.chosen.model_dump(exclude={"targets"})

    def adapt(self, tower: Tower) -> None:
        """Where one map gives query, key and value together, its update reaches those too that nobody asked for, and a
        note says so. A tower whose attention has no maps of its own gets what peft adapts by default in its family.

        BenchError for a tower with nothing to adapt, and with peft's own words for one that it cannot adapt.
        """
        from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING as tuners

        config_class = config_of(self.peft_type)
        tuner_class: Any = next(found for kind, found in tuners.items() if kind.value == self.peft_type)
        unread = [parameter for parameter in tower.parameters() if not parameter.requires_grad]
        try:
            found = find_targets(tower, self.chosen.targets, getattr(tuner_class, "target_module_mapping", {}))
        except BenchError as error:
            raise BenchError(f"method '{self.name}': {error}") from error
        for line in found.notes:
            self.note(tower, line)
        remember_maps_after_attention(tower)
        tower.requires_grad_(False)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                config = config_class(**self._settings_for(tower, found, config_class))
                tuner = tuner_class(tower.model, config, ADAPTER)
                if getattr(config, "fan_in_fan_out", False):  # which some starts of peft overlook
                    _run(tower)
        except Exception as error:  # whatever peft raises of a tower or an option
            if next(tower.parameters()).is_meta:
                raise  # it tells nothing of the tower
            raise self._refused(tower, error) from error
        if self.from_weights:
            self.start_seconds = (self.start_seconds or 0.0) + time.perf_counter() - start
        for line in dict.fromkeys(str(each.message) for each in said if each.category is UserWarning):
            if "at your own risk" not in line:  # of a normalisation, whose width is not asked for
                self.note(tower, f"peft: {line.splitlines()[0]}")
        for parameter in unread:  # biases that peft trains on request
            parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in tower.parameters()):
            raise self._refused(tower, ValueError("nothing of it would be trained"))
        self.keep(tower, tuner)

    def keep(self, tower: Tower, tuner: Any) -> None:
        """What a kind does with peft's tuner beside its layers, which stand in the tower."""

    def _settings_for(self, tower: Tower, found: Targets, config_class: type[Any]) -> dict[str, Any]:
        modules = [tower.model.get_submodule(name) for name in found.names]
        settings = self.settings() | {"target_modules": _names(found.names)}
        of_maps = [widths(module) for module in modules if isinstance(module, map_kinds())]
        if self.fitted and not of_maps:
            raise ValueError("nothing of what is to be adapted is a linear map")
        for name, fit in self.fitted.items():
            if settings[name] == "auto":
                settings[name] = fit(getattr(config_class, name), of_maps)
        if hasattr(config_class, "fan_in_fan_out"):
            settings["fan_in_fan_out"] = not any(isinstance(module, nn.Linear) for module in modules)  # Conv1D
        if hasattr(config_class, "feedforward_modules"):
            settings["feedforward_modules"] = _names(found.narrowing)
        return settings

    def _refused(self, tower: Tower, error: Exception) -> BenchError:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        return BenchError(
            f"method '{self.name}': peft cannot adapt the {tower.shape.modality} tower ({type(tower.model).__name__}) "
            f"so: {said}"
        )


@torch.no_grad()
def _run(tower: Tower) -> None:
    """ValueError when it doesn't."""
    try:
        with torch.random.fork_rng(devices=[]):
            run_tiny(tower)
    except Exception as error:  # whatever a layer of peft raises
        raise ValueError(f"it does not run then ({' '.join(str(error).split())[:200]})") from error


def _names(names: tuple[str, ...]) -> str | list[str]:
    """As peft is told them: by a pattern, since it would take names for ends of names."""
    return "|".join(map(re.escape, names)) or []
