"""A kind's options as its own config of the installed peft declares them: names, types and defaults."""

from collections.abc import Collection
from dataclasses import MISSING, fields
from dataclasses import Field as Declared
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import ConfigDict, Field, create_model

from ....errors import BenchError
from ...method import Options
from .targets import TargetName

_LARGEST = 2**31 - 1
_OURS = frozenset(
    {
        *("target_modules", "exclude_modules", "feedforward_modules", "target_parameters", "fan_in_fan_out"),
        *("layers_to_transform", "layers_pattern", "modules_to_save", "trainable_token_indices", "layer_replication"),
        *("progressbar", "inference_mode", "save_projection", "save_precomputed_indices", "save_only_topk_weights"),
        *("save_indices", "runtime_offload_base_weight", "task_type", "peft_type", "auto_mapping", "revision"),
        *("peft_version", "base_model_name_or_path", "megatron_config", "megatron_core", "loftq_config", "eva_config"),
        *("corda_config", "lora_ga_config", "velora_config", "alora_invocation_tokens", "use_qalora", "use_bdlora"),
        *("qalora_group_size", "monteclora_config", "runtime_config", "arrow_config", "kasa_config", "use_dora"),
        *("ensure_weight_tying", "lora_bias"),
    }
)
"""What is chosen by role and by the tower's modules, or says how peft writes files, and is no option of a method; and
variants of LoRA that AdaLoRA's config inherits and refuses."""


class KindOptions(Options):
    """`targets`: which modules are adapted, by their role. The others are peft's own."""

    model_config = ConfigDict(strict=True)

    targets: TargetName = "qv"


def config_of(peft_type: str) -> type[Any]:
    """The config class of a kind. BenchError when the installed peft has no such kind."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as known

    for kind, config in known.items():
        if kind.value == peft_type:
            return config
    raise BenchError(f"peft {peft.__version__} has no {peft_type.lower()}: install peft 0.21.2 or later")


@cache
def options_of(
    peft_type: str,
    targets: TargetName,
    fitted: Collection[str] = (),
    fixed: Collection[str] = (),
    changed: Collection[tuple[str, Any]] = (),
) -> type[KindOptions]:
    """The options of a kind. `fitted`: those that are `auto` unless given. `fixed`: those that are none. `changed`:
    other defaults than peft's.

    BenchError as `config_of`.
    """
    config, others = config_of(peft_type), dict(changed)
    hints = {**get_type_hints(config), **{name: type(default) for name, default in others.items()}}
    own: dict[str, Any] = {
        field.name: _option(
            field.name, hints[field.name], others.get(field.name, _default(field)), field.name in fitted
        )
        for field in fields(config)
        if field.name not in _OURS and field.name not in fixed
    }
    return create_model(config.__name__, __base__=KindOptions, targets=(TargetName, targets), **own)


def _default(field: Declared[Any]) -> Any:
    return field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]


def _option(name: str, hint: Any, default: Any, fitted: bool) -> tuple[Any, Any]:
    bounded = _bounded(name, hint, default)
    return (bounded | Literal["auto"], "auto") if fitted else (bounded, default)


def _bounded(name: str, hint: Any, default: Any) -> Any:
    """The type with the bounds that a number of this name has."""
    if hint is int:
        least = 1 if default and default >= 1 else min(default or 0, 0)
        return Annotated[int, Field(ge=None if "seed" in name else least, le=65_536 if name == "r" else _LARGEST)]
    if hint is float:
        return Annotated[float, Field(ge=0, lt=1) if "dropout" in name else Field(ge=-1e6, le=1e6)]
    return hint
