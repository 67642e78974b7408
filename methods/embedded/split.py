"""Readers of towers of which the upper layers are trained: the whole tower, or what is above a cached level."""

from collections.abc import Sequence

from torch import Tensor, nn

from ...errors import BenchError
from ..backbones.operations import after_layers
from ..backbones.resumed import ResumedTower
from ..backbones.tower import OUTPUT, Tower
from ..features.readers import TowerReader
from ..inputs import ItemInputs


class SplitReader(TowerReader):
    """Runs towers whose layers above a level are trained; those below stay in eval mode and build no graph."""

    hooked = True

    def __init__(
        self, towers: dict[str, Tower], levels: dict[str, tuple[int, ...]], starts: dict[str, int], asked_by: str
    ) -> None:
        """`asked_by` as of `train_above`."""
        self.starts = starts
        self._upper = {name: train_above(tower, starts[name], levels[name], asked_by) for name, tower in towers.items()}
        super().__init__(self._prepared(towers), levels, frozen=())

    def _prepared(self, towers: dict[str, Tower]) -> dict[str, Tower]:
        return towers

    def train(self, mode: bool = True) -> "SplitReader":
        """Dropout below would make the same item differ from step to step."""
        super().train(mode)
        for name in self.levels:
            self.tower(name).eval()
            for module in self._upper[name]:
                module.train(mode)
        return self


class ResumedReader(SplitReader):
    """The same, where the states of the level and those below it come from the feature cache."""

    def _prepared(self, towers: dict[str, Tower]) -> dict[str, Tower]:
        return {name: ResumedTower(tower, self.starts[name]) for name, tower in towers.items()}

    def forward(self, inputs: ItemInputs) -> dict[str, list[Tensor]]:
        """Levels by modality, in the order asked for."""
        assert inputs.sequences is not None, "content of all positions comes with sequences"
        found = dict[str, list[Tensor]]()
        for name, levels in self.levels.items():
            start, tower, whole = self.starts[name], self.tower(name), inputs.sequences[name]
            below = [level.float() for level in (inputs.states or {}).get(name, [])]
            if start in levels:
                below.append(tower.shape.pooled(whole.levels[-1].float(), whole.mask))
            above = [level for level in levels if level > start or level == OUTPUT]
            found[name] = [*below, *tower.states(inputs, above)]
        return found


def train_above(tower: Tower, start: int, levels: Sequence[int], asked_by: str) -> list[nn.Module]:
    """Freezes a tower but for the layers above a level, and for what follows the last where the output is read.

    Gives those modules. BenchError where a layer above is run below, too; `asked_by`: the method and option it names.
    """
    layers = list(tower.layers)
    if {id(layer) for layer in layers[:start]} & {id(layer) for layer in layers[start:]}:
        raise BenchError(
            f"{asked_by}: the layers of the {tower.shape.modality} tower ({tower.anatomy.model}) share their weights: "
            f"none is trained alone; give {len(layers)}"
        )
    after = [tower.model.get_submodule(name) for name in after_layers(tower)] if OUTPUT in levels else []
    upper = [*dict.fromkeys([*layers[start:], *after])]
    read = {parameter for parameter in tower.parameters() if parameter.requires_grad}
    tower.requires_grad_(False)
    for parameter in nn.ModuleList(upper).parameters():
        parameter.requires_grad_(parameter in read)
    return upper
