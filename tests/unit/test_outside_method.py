"""A method from outside, in one file, whose encoder stands in modules of its own: measured as the one inside."""

import sys
from collections.abc import Callable, Iterator

import pytest

from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import Assembly
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.measuring import count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.step import Trainer
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.registry import find_method, methods

Build = Callable[..., Assembly]

OUTSIDE = '''
from torch import nn

from tpmebench.methods.decoupled.iisan import IISAN
from tpmebench.methods.decoupled.frozen import Frozen
from tpmebench.methods.embedded.fft import FullFineTuning
from tpmebench.methods.embedded.lora import LoRA
from tpmebench.methods.references.scoring import SASRecID


class Wrapped(nn.Module):
    """Holds another encoder, two modules down."""

    def __init__(self, encoder):
        super().__init__()
        self.inner = nn.ModuleDict({"held": nn.ModuleList([encoder])})

    @property
    def held(self):
        return self.inner["held"][0]

    def forward(self, inputs):
        return self.held(inputs)


class Wraps:
    def item_encoder(self, backbones, width):
        return Wrapped(super().item_encoder(backbones, width))

    def learning_rates(self, encoder):
        return super().learning_rates(encoder.held)


class Full(Wraps, FullFineTuning):
    """Full fine-tuning."""


class Low(Wraps, LoRA):
    """LoRA."""


class Beside(Wraps, IISAN):
    """IISAN."""


class Numbers(Wraps, SASRecID):
    """Item numbers."""


class Claims(Frozen):
    """Says that gradients cross its towers, and they don't."""

    family = "embedded"
'''
INSIDE = {"Full": "fft", "Low": "lora", "Beside": "iisan", "Numbers": "sasrec-id"}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The name of a method in the file from outside."""
    file = tmp_path_factory.mktemp("outside") / "wrapping_methods.py"
    file.write_text(OUTSIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr("tpmebench.methods.registry._registered", dict(methods()))
        yield lambda name: find_method(f"{file}:{name}").name


@pytest.mark.parametrize("encode", ["unique", "every-slot"])
@pytest.mark.parametrize("name", INSIDE)
def test_a_wrapped_encoder_is_measured_as_the_one_inside(
    small_cell: Build, outside: Callable[[str], str], name: str, encode: str
) -> None:
    found = []
    for method in (INSIDE[name], outside(name)):
        parts = small_cell(method, encode=encode)
        trainer = Trainer(parts)
        rule = RankingRule(parts.cell.head.max_length)
        evaluator = Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)
        found.append((count_parameters(trainer), count_operations(trainer), tensor_memory(trainer, evaluator)))
    assert found[1] == found[0]
    assert len(found[0][0].parts) > 1


@pytest.mark.parametrize("name", ["Full", "Low"])
def test_checkpointing_and_compilation_reach_a_wrapped_encoder(
    small_cell: Build, outside: Callable[[str], str], name: str
) -> None:
    parts = small_cell(outside(name), gradient_checkpointing=True, compile=True)
    assert parts.recommender is not None
    towers = [module for module in parts.recommender.item_encoder.modules() if isinstance(module, Tower)]
    assert len(towers) == 2
    for tower in towers:
        assert tower.model.is_gradient_checkpointing
        assert tower.model._compiled_call_impl is not None
    assert parts.unused == []


def test_a_setting_that_reaches_none_of_the_towers_that_it_should_is_refused(
    small_cell: Build, outside: Callable[[str], str]
) -> None:
    claims = outside("Claims")
    for setting in ("gradient_checkpointing", "compile"):
        with pytest.raises(BenchError, match=f"method '{claims}': training.{setting} reaches none of its modules"):
            small_cell(claims, **{setting: True})


@pytest.mark.parametrize("method", ["frozen", "iisan-cached", "sasrec-id"])
def test_a_setting_that_has_nothing_to_act_on_is_said(small_cell: Build, method: str) -> None:
    assert small_cell(method).unused == []
    [line] = small_cell(method, gradient_checkpointing=True).unused
    assert line.startswith("training.gradient_checkpointing is not used")
    compiled = small_cell(method, compile=True).unused
    assert compiled == [] if method == "iisan-cached" else "compile is not used" in compiled[0]
