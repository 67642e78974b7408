"""The tables of methods in `docs/methods.md`: on which towers each trains, and what each is seen to do.

    python tests/method_page.py     # writes them anew, in some minutes: read the difference before you commit it

Every value is tried: a training step of a cell's own modules on a tiny random tower of each family.
`unit/test_pages_of_methods.py` holds the page to the methods that there are, and a few of its rows to what is found.
"""

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from cells import method_of
from families.reading import subject
from families.steps import prepared, reason
from generated import filled, general, line, rows_in, table, write
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.step import trainable_state
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.embedded.peft.refusals import REFUSED
from tpmebench.methods.inputs import States
from tpmebench.methods.registry import methods

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
FAMILIES = ("Bert", "DistilBert", "ModernBert", "GPT2", "Qwen3", "CLIPText", "ViT", "Dinov2", "CLIPVision", "Swin")
PROBED_ON = ("Bert", "ViT")
"""The tower on which a method is looked at: the first that it trains on."""
METHODS = [name for name, method in methods().items() if method.kind == "method" and method.family != "reference"]
_TRAINS = ["method", "family", *FAMILIES, "why not"]
_DOES = ["method", "reads", "graph", "start", "merges", "hooks", "adds", "saved"]


def page(text: str) -> str:
    """The page with its tables as they are found now."""
    refused = [f"- `{name}`: {why}" for name, why in REFUSED.items()]
    text = filled(text, "towers", table(_TRAINS, map(on_towers, METHODS)))
    text = filled(text, "capabilities", table(_DOES, map(capabilities, METHODS)))
    return filled(text, "refused", refused)


def rows(text: str, name: str) -> dict[str, str]:
    """The rows of one of its tables by method."""
    return {each.split("`")[1]: each for each in rows_in(text, name)}


def on_towers(name: str) -> str:
    """A method's row of towers: what it trains of each, and why it doesn't train of those that have none."""
    cells, why = list[str](), dict[str, list[str]]()
    for family in FAMILIES:
        found = reason(family, name)
        if found:
            why.setdefault(_general(found), []).append(family)
        cells.append("–" if found else str(_trained(name, family)))
    reasons = "; ".join(f"{', '.join(families)}: {found}" for found, families in why.items())
    return line([f"`{name}`", methods()[name].family, *cells, reasons])


def capabilities(name: str) -> str:
    """A method's row of what it is seen to do on a tiny BERT."""
    family = next(family for family in PROBED_ON if not reason(family, name))
    parts, plain = prepared(family, name), subject(family).tower()
    towers = [module for module in parts.recommender.item_encoder.modules() if isinstance(module, Tower)]
    own, crosses = _own_hooks(name, family), _crosses(parts, towers)
    saved = sum(value.nbytes for value in trainable_state(parts.recommender.item_encoder).values())
    return line(
        [
            f"`{name}`",
            _reads(parts),
            "through the towers" if crosses else "beside them",
            _start(parts, towers, plain),
            ("yes" if not own and _merges(parts, towers, plain) else "no") if crosses else "–",
            str(own) if towers else "–",
            ", ".join(parts.method.additions) or "–",
            f"{saved:,}",
        ]
    )


def _trained(name: str, family: str) -> int:
    """Scalars that are trained in the tower, or where none are, beside it."""
    encoder = prepared(family, name).recommender.item_encoder
    inside = {id(p) for tower in encoder.modules() if isinstance(tower, Tower) for p in tower.parameters()}
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    return sum(p.numel() for p in trained if id(p) in inside) or sum(p.numel() for p in trained)


def _reads(parts: TrainedCell) -> str:
    reads = parts.method.reads(parts.backbones).values()
    own = [isinstance(how, States) for how in reads]
    cache = "cache of all positions" if any(isinstance(how, States) and how.whole for how in reads) else "cache"
    twin = any(method.uncached == parts.method.name for method in methods().values())
    return cache if all(own) and own else "towers, or a cache by its twin" if twin else "towers"


def _crosses(parts: TrainedCell, towers: list[Tower]) -> bool:
    """Whether what the last layer gives has a graph behind it."""
    seen = list[bool]()

    def look(_layer: nn.Module, _args: Any, output: Any) -> None:
        first = output if isinstance(output, Tensor) else output[0]
        seen.append(first.requires_grad)

    handles = [tower.layers[-1].register_forward_hook(look) for tower in towers]
    parts.recommender.item_encoder.train()(_inputs(parts))
    for handle in handles:
        handle.remove()
    return any(seen)


@torch.no_grad()
def _start(parts: TrainedCell, towers: list[Tower], plain: Tower) -> str:
    """How far the tower's output is from the plain one's before training, as a share of the largest number in it."""
    if not towers:
        return "–"
    wanted = plain.eval()(_inputs(parts))
    apart = float((towers[0].eval()(_inputs(parts)) - wanted).abs().max() / wanted.abs().max())
    start = "as pretrained" if apart < 1e-5 else f"{apart:.1g} away"
    seconds = parts.method.start_seconds
    return start if seconds is None else f"{start}; computed from the weights"


@torch.no_grad()
def _merges(parts: TrainedCell, towers: list[Tower], plain: Tower) -> bool:
    """Whether trained weights can go into the tower as it was: nothing was added, or peft's layers merge."""
    for tower in towers:
        if dict(tower.model.named_parameters()).keys() <= dict(plain.model.named_parameters()).keys():
            continue
        merged = copy.deepcopy(tower.eval())
        _shaken(merged)
        before = merged(_inputs(parts))
        layers = {name: module for name, module in merged.model.named_modules() if isinstance(module, BaseTunerLayer)}
        try:
            for name, layer in layers.items():
                layer.merge()
                merged.model.set_submodule(name, layer.get_base_layer())
        except Exception:  # whatever peft says where it cannot
            return False
        apart = float((merged(_inputs(parts)) - before).abs().max() / before.abs().max())
        if not layers or apart > 1e-3:
            return False
    return True


def _shaken(tower: Tower) -> None:
    """What is trained, as if it had been."""
    torch.manual_seed(4)
    for parameter in tower.parameters():
        if parameter.requires_grad:
            parameter.add_(0.02 * torch.randn_like(parameter))


def _inputs(parts: TrainedCell) -> Any:
    """Five items as the method reads them, and as the tower does."""
    kind = parts.cell.backbones.text or parts.cell.backbones.image
    assert kind is not None
    items = torch.arange(1, 6)
    own, shown = parts.content.gather(items), subject(kind).shelf.content.gather(items)
    return replace(shown, states=own.states, sequences=own.sequences)


def _own_hooks(name: str, family: str) -> int:
    """How many a method leaves, of all kinds, on a tower's modules and parameters."""
    on = subject(family)
    encoder = method_of(name).item_encoder(on.backbones(), 8)
    return sum(_hooks(each) - _hooks(on.tower()) for each in encoder.modules() if isinstance(each, Tower))


def _hooks(tower: Tower) -> int:
    on_modules = sum(
        len(getattr(module, kind) or ())
        for module in tower.modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )
    return on_modules + sum(len(parameter._backward_hooks or ()) for parameter in tower.parameters())


def _general(found: str) -> str:
    """As of any reason, and without sizes and peft's own beginning and end."""
    found = re.sub(r"<class '[\w.]*\.(\w+)'>", r"\1", re.sub(r"\(nf=\d+, nx=\d+\)", "", found))
    found = re.sub(r"^peft cannot adapt the \w+ tower \(\w+\) so: ", "", general(found))
    return found.partition(". Currently")[0].replace("|", "/")


if __name__ == "__main__":
    write(PAGE, page)
