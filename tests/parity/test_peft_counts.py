"""Trainable parameters of peft's kinds on the shapes of BERT-base and ViT-base: as many as peft itself counts there."""

from typing import Any

import pytest
import torch
from cells import EVERY_PAIR, MAPS, is_kind, method_of
from peft import get_peft_model

from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.embedded.peft.method import PeftMethod
from tpmebench.methods.embedded.peft.options import config_of
from tpmebench.methods.registry import methods

ON_NUMBERS = {"boft", "frod", "shira", "unilora"}
"""Kinds whose layers look at numbers when they are made; `unit/test_peft.py` counts them on tiny towers alone."""
KINDS = [name for name in methods() if is_kind(name) and name not in ON_NUMBERS]
BY_HAND = {
    "ia3": 2 * 12 * (768 + 768 + 3072),
    "c3a": 2 * 2 * 12 * (768 // 256) ** 2 * 256,
    "vera": 2 * 2 * 12 * (256 + 768),
}


@pytest.mark.parametrize("name", KINDS if EVERY_PAIR else BY_HAND)
def test_as_many_parameters_are_trained_as_peft_counts(name: str) -> None:
    own = theirs = 0
    for modality, base in (("text", "bert-base"), ("image", "vit-base")):
        source: Any = BackboneSource(modality, base, "random")  # type: ignore[arg-type]
        with torch.device("meta"):
            tower, plain = source.tower(), source.tower()
            assert isinstance(tower, Tower) and isinstance(plain, Tower)
            method = method_of(name)
            assert isinstance(method, PeftMethod)
            method.adapt(tower)
            targets = getattr(method.chosen, "targets", "qv")
            names = "|".join(rf".*{part}" for part in MAPS[targets][modality].split("|"))
            given = {
                key: value for key, value in method.settings().items() if value != "auto"
            }  # which peft's default fits
            if name == "ia3":
                given["feedforward_modules"] = names.rpartition("|")[2]
            model = get_peft_model(plain.model, config_of(method.peft_type)(target_modules=names, **given))  # type: ignore
        own += sum(parameter.numel() for parameter in tower.parameters() if parameter.requires_grad)
        theirs += model.get_nb_trainable_parameters()[0]
    assert own == theirs == BY_HAND.get(name, theirs)
