"""The learning rates that a cell trains with: its method's, as the study scales or replaces them."""

from math import sqrt

from torch import nn

from ...cell import Cell
from ...errors import BenchError
from ...methods.backbones.tower import Tower
from ...methods.method import LearningRates

Groups = dict[str, tuple[list[nn.Parameter], float]]


def batch_factor(batch: int, usual: int) -> float:
    """By how much rates grow with the batch: the square root of how many times larger it is than that they are of.

    Source: Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, NeurIPS 2022, for Adam.
    What they scale beside the rates, Adam's betas and epsilon, stays: their rule has no beta for a batch ten times as
    large.
    """
    return sqrt(batch / usual)


def training_rates(own: LearningRates, cell: Cell, encoder: nn.Module, factor: float = 1.0) -> LearningRates:
    """The rates that were given as they are, the others of the method's `own` times the scale; all times `factor`.

    BenchError when a rate was given for the towers and nothing in them is trained.
    """
    given = cell.rates
    scale = given.get("learning_rate_scale", cell.training.learning_rate_scale)
    groups = {name: (parameters, given.get("lr", rate * scale)) for name, (parameters, rate) in own.groups.items()}
    if "towers" in given:
        groups = _with_towers_at(given["towers"], groups, encoder)
    scaled = {name: (parameters, rate * factor) for name, (parameters, rate) in groups.items()}
    return LearningRates(scaled, given.get("head_lr", own.head * scale) * factor)


def _with_towers_at(rate: float, groups: Groups, encoder: nn.Module) -> Groups:
    """The groups with what stands inside the towers at a rate of its own; a group of both is divided."""
    towers = [module for module in encoder.modules() if isinstance(module, Tower)]
    inside = {id(parameter) for tower in towers for parameter in tower.parameters()}
    found: Groups = {}
    for name, (parameters, own) in groups.items():
        inner = [parameter for parameter in parameters if id(parameter) in inside]
        outer = [parameter for parameter in parameters if id(parameter) not in inside]
        if inner:
            found[f"{name}, in towers" if outer else name] = (inner, rate)
        if outer or not inner:
            found[name] = (outer, own)
    if not any(id(parameter) in inside for parameters, _ in found.values() for parameter in parameters):
        raise BenchError("rate 'towers': nothing inside the towers is trained; leave it out, or give 'lr'")
    return found
