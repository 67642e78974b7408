"""Kinds of peft: which there are, what they may be told, what they train, and that they do what peft does."""

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cells import MAPS, is_kind, method_of
from peft import get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from torch import nn

from tpmebench.bench.study.variants import Variant
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.embedded.peft.method import PeftMethod
from tpmebench.methods.embedded.peft.options import config_of
from tpmebench.methods.embedded.peft.refusals import REFUSED
from tpmebench.methods.registry import find_method, make_method, methods

MakeTower = Callable[[str, str], Tower]
KINDS = [name for name in methods() if is_kind(name)]
TOWERS = [("text", "bert"), ("image", "vit")]


def adapted(name: str, tower: Tower, **options: Any) -> PeftMethod:
    method = method_of(name, options)
    assert isinstance(method, PeftMethod)
    method.adapt(tower)
    return method


def test_every_kind_of_the_installed_peft_is_a_method_or_refused_with_its_reason() -> None:
    ours = {method.peft_type.lower() for name, method in methods().items() if issubclass(method, PeftMethod)}
    installed = {kind.value.lower() for kind in PEFT_TYPE_TO_CONFIG_MAPPING}
    new, gone = installed - ours - REFUSED.keys(), ours - installed
    assert not new, f"new in peft: {sorted(new)}: a row in kinds.py, or a reason in refusals.py"
    assert not gone, f"gone from peft: {sorted(gone)}"
    assert len(KINDS) >= 30


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_of_no_use_is_refused_by_name(name: str) -> None:
    assert name not in methods()
    with pytest.raises(BenchError, match=re.escape(f"method '{name}' is none of the suite's: {REFUSED[name]}")):
        find_method(name)


def test_the_list_of_methods_needs_no_peft() -> None:
    code = (
        "import sys; from tpmebench.bench.commands.list import list_methods; list_methods();"
        "from tpmebench.bench.study.variants import Variant; Variant('lora').settled(); print('peft' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize("name", KINDS)
def test_trained_parameters_are_as_many_as_in_peft_itself(tiny_tower: MakeTower, name: str) -> None:
    for modality, tower_name in TOWERS:
        tower = tiny_tower(modality, tower_name)
        plain = copy.deepcopy(tower.model)
        method = adapted(name, tower)
        targets = getattr(method.chosen, "targets", "qv")
        settings = {key: value for key, value in method.settings().items() if value != "auto"}
        peft_config: Any = next(iter(tower.model.peft_config.values()))  # type: ignore[union-attr,operator]
        settings |= {key: getattr(peft_config, key) for key in method.fitted}
        names = "|".join(rf".*{part}" for part in MAPS[targets][modality].split("|"))
        if name == "ia3":
            settings["feedforward_modules"] = names.rpartition("|")[2]
        model = get_peft_model(plain, config_of(method.peft_type)(target_modules=names, **settings))  # type: ignore
        own = sum(parameter.numel() for parameter in tower.parameters() if parameter.requires_grad)
        assert own == model.get_nb_trainable_parameters()[0] > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loha:rank=4", "option of method 'loha' 'rank'"),
        ("loha:r=four", "method 'loha': option 'r': input should be a valid integer"),
        ("loha:r=0", "method 'loha': option 'r': input should be greater than or equal to 1"),
        ("boft:boft_dropout=1.5", "method 'boft': option 'boft_dropout'"),
        ("vera:targets=everything", "method 'vera': option 'targets'"),
        ("lily:num_B=1", "method 'lily': `num_B` must be at least 2"),
        ("adalora:target_r=12", "method 'adalora': option 'target_r': the ranks shrink from init_r (12) to it"),
        ("coft:coft=false", "option of method 'coft' 'coft'"),
        ("lora:alpha=4,lora_alpha=8", "method 'lora': 'lora_alpha' is 'alpha': keep one"),
        ("lora-plus:lr=1e-3", "option of method 'lora-plus' 'lr'"),
    ],
)
def test_what_a_kind_cannot_be_told_is_an_error(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=re.escape(message)) as caught:
        Variant.read(text).settled()
    assert "\n" not in str(caught.value)


def test_lora_takes_alpha_by_the_name_that_peft_has_for_it() -> None:
    assert Variant.read("lora:lora_alpha=16").settled() == Variant.read("lora:alpha=16").settled()


def test_a_lora_of_default_targets_is_the_lora_of_before_there_were_any() -> None:
    assert Variant.read("lora:targets=qv").settled().options == {"r": 8, "alpha": 8.0, "dropout": 0.0}
    assert Variant.read("lora:targets=qkv").settled().options["targets"] == "qkv"


def test_options_arrive_in_the_layers_of_peft(tiny_tower: MakeTower) -> None:
    tower = tiny_tower("text", "bert")
    adapted("loha", tower, r=3, alpha=6, targets="qkvo", module_dropout=0.25)
    layers: list[Any] = [module for module in tower.modules() if hasattr(module, "hada_w1_a")]
    assert len(layers) == 4 * 4
    assert {(layer.r["default"], layer.scaling["default"], layer.module_dropout["default"]) for layer in layers} == {
        (3, 2.0, 0.25)
    }


def test_a_block_size_fits_the_widths_unless_it_is_given(tiny_tower: MakeTower) -> None:
    tower = tiny_tower("image", "wide-vit")  # 48
    adapted("c3a", tower)
    assert {p.shape for name, p in tower.named_parameters() if p.requires_grad} == {(1, 1, 48)}
    tower = tiny_tower("image", "wide-vit")
    adapted("c3a", tower, block_size=16)
    assert {p.shape for name, p in tower.named_parameters() if p.requires_grad} == {(3, 3, 16)}
    with pytest.raises(BenchError, match=r"'c3a': peft cannot adapt the image tower \(ViTModel\) so: The block size"):
        adapted("c3a", tiny_tower("image", "wide-vit"), block_size=17)
    with pytest.raises(BenchError, match=r"'c3a': .* so: nothing of what is to be adapted is a linear map"):
        adapted("c3a", tiny_tower("image", "wide-vit"), targets="norms")


def test_what_peft_says_of_a_tower_is_noted(tiny_tower: MakeTower) -> None:
    method = adapted("oft", tiny_tower("image", "wide-vit"))
    assert [line for line in method.notes if line.startswith("oft, image tower: peft: Invalid `oft_block_size` (32)!")]


def test_a_map_that_is_kept_the_other_way_round_is_refused_where_a_start_overlooks_that() -> None:
    from families.reading import subject

    tower = subject("GPT2").tower()
    with pytest.raises(
        BenchError, match=r"'olora': peft cannot adapt the text tower \(GPT2Model\) so: it does not run"
    ):
        adapted("olora", tower)
    fused = subject("GPT2").tower()
    method = adapted("vera", fused, targets="qv")
    assert method.notes == [
        "vera, text tower: c_attn gives query, key and value together: the keys are adapted with them"
    ]


def test_what_a_start_from_the_weights_takes_is_no_training(tiny_tower: MakeTower) -> None:
    assert (adapted("pissa", tiny_tower("text", "bert")).start_seconds or 0.0) > 0.0
    assert adapted("dora", tiny_tower("text", "bert")).start_seconds is None


def test_biases_that_nothing_reads_stay_frozen_when_biases_are_trained(tiny_tower: MakeTower) -> None:
    tower = tiny_tower("text", "bert")
    unread = tower.model.get_submodule("encoder.layer.0.output.LayerNorm").get_parameter("bias").requires_grad_(False)
    adapted("boft", tower, bias="all")
    assert not unread.requires_grad
    assert tower.model.get_submodule("encoder.layer.1.output.LayerNorm").get_parameter("bias").requires_grad


def test_the_second_factors_of_lora_plus_learn_faster(tiny_backbones: Callable[..., Backbones]) -> None:
    method = method_of("lora-plus", {"ratio": 4.0})
    encoder = method.item_encoder(tiny_backbones("bert+vit"), 8)
    groups = method.learning_rates(encoder).groups
    assert {name: rate for name, (_, rate) in groups.items() if "text" in name} == {
        "text tower": 4e-4,
        "text tower, second factors": pytest.approx(1.6e-3),
    }
    assert len(groups["text tower"][0]) == len(groups["text tower, second factors"][0]) == 8


ADALORA: dict[str, Any] = {"total_step": 6, "tfinal": 2, "init_r": 6, "target_r": 2, "orth_reg_weight": 0.3}


class TestAdaLoRA:
    """Against peft's own wrapper."""

    def pair(self, make: MakeTower) -> tuple[Any, Any, Any]:
        tower = make("text", "bert")
        wrapped = get_peft_model(
            copy.deepcopy(tower.model),  # type: ignore[arg-type]
            config_of("ADALORA")(target_modules=r".*\.(query|value)", **ADALORA),
        )
        method = adapted("adalora", tower, **ADALORA)
        own = dict(tower.model.named_parameters())
        with torch.no_grad():
            for name, parameter in wrapped.base_model.model.named_parameters():
                parameter.copy_(own[name])
        return method, tower, wrapped

    def test_ranks_shrink_as_in_peft_from_any_checkpoint(self, tiny_tower: MakeTower) -> None:
        method, tower, wrapped = self.pair(tiny_tower)
        encoder = SimpleNamespace(reader=tower)
        theirs = dict(wrapped.base_model.model.named_parameters())
        for step in range(1, 9):
            for name, parameter in tower.model.named_parameters():
                if parameter.requires_grad:
                    torch.manual_seed(step)
                    gradient = torch.randn_like(parameter)
                    for each in (parameter, theirs[name]):
                        each.grad = gradient
                        each.data -= 0.1 * gradient
            method.after_update(encoder, step)
            wrapped.base_model.update_and_allocate(step)
            for tuner in method._tuners.values():  # as after a checkpoint: all that is left stands in buffers
                tuner.rankallocator.reset_ipt()
                tuner.peft_config["default"].rank_pattern = None
            for name, parameter in tower.model.named_parameters():
                assert torch.equal(parameter, theirs[name]), (step, name)
        left = sum(int(p.count_nonzero()) for name, p in tower.model.named_parameters() if "lora_E" in name)
        assert left == 2 * 8

    def test_its_penalty_is_the_term_that_peft_adds(self, tiny_tower: MakeTower) -> None:
        method, tower, wrapped = self.pair(tiny_tower)

        class WithLoss(nn.Module):
            def forward(self, **_: Any) -> SimpleNamespace:
                return SimpleNamespace(loss=torch.zeros(()))

        tuner = wrapped.base_model
        parameters = dict(tuner.model.named_parameters())
        tuner.model = WithLoss()
        tuner.model.named_parameters = lambda: parameters.items()  # type: ignore[method-assign]
        torch.testing.assert_close(method.penalty(SimpleNamespace(reader=tower)), tuner().loss)


def test_make_method_gives_the_default_of_every_kind() -> None:
    for name in KINDS:
        assert make_method(name).chosen is not None
