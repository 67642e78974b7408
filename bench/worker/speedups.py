"""What makes a recommender's step cheaper and changes none of its results: narrowing, checkpointing, compilation."""

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from ...cell import Training
from ...errors import BenchError
from ...methods.backbones.last_layer import narrow_last_layer
from ...methods.encoder import layout_of
from ...methods.head.recommender import Recommender
from ...methods.method import Method

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CHECKPOINTING, _COMPILE, _GRAPHS = "gradient_checkpointing", "compile", "reduce-overhead"
_COMPILER: dict[str, Any] = {"triton.coalesce_tiling_analysis": False}
"""torch's analysis is made for fixed shapes; over ours it fails an assertion on a GPU (pytorch/pytorch#181563)."""


def speed_up(recommender: Recommender, training: Training, device: torch.device) -> set[str]:
    """Spares towers what nothing reads of them, and checkpoints and compiles what the settings ask for.

    Gives the settings that were asked for and reached a module.
    """
    layout, reached = layout_of(recommender.item_encoder), set[str]()
    if training.encode == "unique":  # "every-slot" computes all that the published code does
        for tower in layout.pooled:
            narrow_last_layer(tower)
    if training.gradient_checkpointing:
        for tower in (*layout.crossed, *layout.hooked):
            cast("PreTrainedModel", tower.model).gradient_checkpointing_enable({"use_reentrant": False})
            reached.add(_CHECKPOINTING)
    if training.compile:
        graphs = training.compile == _GRAPHS
        # Towers that no gradient crosses hand out hidden states through hooks, which compiled code does not run.
        # On a CPU the head is slower compiled: its masks and dropout draws fuse badly.
        head = [] if device.type == "cpu" else [recommender.head]
        for module in (*(tower.model for tower in layout.crossed), *layout.beside, *head):
            module.compile(dynamic=True, options=_COMPILER | {"triton.cudagraphs": graphs})
            if graphs:
                _copy_what_it_gives(module)
            reached.add(_COMPILE)
    return reached


def check_compiler(training: Training, device: torch.device) -> None:
    """BenchError for CUDA graphs where there are none, or where hardly one would serve twice: each is of tensors of one
    size.
    """
    if training.compile != _GRAPHS:
        return
    if device.type != "cuda":
        raise BenchError(
            f"training.compile = {_GRAPHS} records CUDA graphs, and this cell runs on the CPU; "
            "give --set training.compile=true"
        )
    if training.encode != "every-slot":
        raise BenchError(
            f"training.compile = {_GRAPHS} records a CUDA graph for each number of distinct items in a batch; "
            "give --set training.encode=every-slot as well, or --set training.compile=true"
        )


def _copy_what_it_gives(module: nn.Module) -> None:
    """A graph gives memory of its own, which the next call of any graph writes again where no gradient is awaited."""
    run = module._compiled_call_impl
    assert run is not None, "it was compiled"

    def copied(*args: Any, **kwargs: Any) -> Any:
        return tree_map_only(torch.Tensor, torch.clone, run(*args, **kwargs))

    module._compiled_call_impl = copied


def unused_settings(reached: set[str], method: Method[Any], training: Training) -> list[str]:
    """A line for each setting that has nothing to act on in a method that trains no tower.

    BenchError where gradients cross the towers by the method's family and yet none was reached: its costs would pass
    for those of the setting.
    """
    asked = {name for name in (_CHECKPOINTING, _COMPILE) if getattr(training, name)}
    missed = sorted(asked - reached)
    if missed and method.trains_inside:
        raise BenchError(
            f"method '{method.name}': training.{missed[0]} reaches none of its modules; read its towers through a "
            f"TowerReader or say them in its encoder's layout, or give --set training.{missed[0]}=false"
        )
    return [f"training.{name} is not used: the method has nothing that it acts on" for name in missed]
