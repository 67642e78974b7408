"""Trainable parameters on BERT-base and ViT-base shapes against the published counts. Nothing is allocated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from cells import method_of

from tpmebench.bench.worker.step import parameters_by_part
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.methods.head.recommender import SequentialRecommender
from tpmebench.methods.head.sasrec import HeadSize, SASRec
from tpmebench.methods.method import LearningRates

Numbers = Callable[[str], dict[str, Any]]
PUBLISHED = {
    "fft": "FFT",
    "adapter": "Adapter",
    "lora": "LoRA",
    "bitfit": "BitFit",
    "iisan": "IISAN_uncached",
    "iisan-cached": "IISAN_cached",
}
POOLER_BIASES = 768
"""Published BitFit counts the biases of BERT's pooler, which nothing reads; our towers have none."""
LORA_BIASES = 2 * 2 * 12 * 768
"""Published LoRA replaces q and v, in 2 × 12 layers, and so trains their biases; ours trains A and B only."""
LESS = {"bitfit": POOLER_BIASES, "lora": LORA_BIASES}
POOLER = 768 * 768 + 768
"""BERT's pooler, frozen and unread, in the published totals of every method that holds the towers."""


@dataclass
class Counted:
    """Trainable and total parameters, in all and by part, and the learning rates."""

    trainable: int
    total: int
    parts: dict[str, tuple[int, int]]
    rates: LearningRates


def count(name: str) -> Counted:
    sources = {
        "text": BackboneSource("text", "bert-base", "random"),
        "image": BackboneSource("image", "vit-base", "random"),
    }
    method = method_of(name)
    with torch.device("meta"):
        backbones = Backbones.of(sources, items=20_314)
        encoder = method.item_encoder(backbones, HeadSize.width)
        recommender = SequentialRecommender(encoder, SASRec(HeadSize()), np.ones(20_315))
    assert {parameter.device.type for parameter in recommender.parameters()} == {"meta"}
    parts = {
        part: (
            sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
            sum(parameter.numel() for parameter in parameters),
        )
        for part, parameters in parameters_by_part(recommender).items()
    }
    return Counted(
        sum(trainable for trainable, _ in parts.values()),
        sum(total for _, total in parts.values()),
        parts,
        method.learning_rates(recommender.item_encoder),
    )


@pytest.fixture(scope="module")
def counted() -> Callable[[str], Counted]:
    """The counts of a method, made once."""
    made: dict[str, Counted] = {}

    def get(name: str) -> Counted:
        if name not in made:
            made[name] = count(name)
        return made[name]

    return get


@pytest.mark.parametrize("name", PUBLISHED)
def test_trainable_parameters(name: str, counted: Callable[[str], Counted], numbers: Numbers) -> None:
    published = numbers("parameter_counts_bert_base_vit_base")[PUBLISHED[name]]
    ours = counted(name)
    assert ours.trainable == published["trainable"] - LESS.get(name, 0)
    without_pooler = 0 if name == "iisan-cached" else POOLER
    assert ours.total == published["total"] - without_pooler
    assert ours.parts["head"] == (100_224, 100_224)


def test_figures_in_full(counted: Callable[[str], Counted]) -> None:
    assert {name: counted(name).trainable for name in PUBLISHED} == {
        "fft": 194_897_216,
        "adapter": 4_965_440,
        "lora": 796_736,
        "bitfit": 411_968,
        "iisan": 4_113_877,
        "iisan-cached": 4_113_877,
    }


@pytest.mark.parametrize("name", ["fft", "adapter", "lora", "bitfit"])
def test_trainable_parameters_by_part(name: str, counted: Callable[[str], Counted], numbers: Numbers) -> None:
    published = numbers("parameter_counts_bert_base_vit_base")[PUBLISHED[name]]["trainable_by_part"]
    parts = counted(name).parts
    for modality in ("text", "image"):
        expected = sum(value for key, value in published.items() if key.startswith(f"{modality}_tower"))
        less = {"bitfit": POOLER_BIASES * (modality == "text"), "lora": LORA_BIASES // 2}.get(name, 0)
        assert parts[f"{modality} tower"][0] == expected - less
    projections = published["proj_image_classifier_768x64"] + published["proj_text_title_fc_768x64"]
    assert parts["projections"][0] == projections
    assert parts["fusion"][0] == published["com_dense"]


def sizes(rates: LearningRates) -> dict[str, tuple[int, float]]:
    return {
        group: (sum(parameter.numel() for parameter in parameters), rate)
        for group, (parameters, rate) in rates.groups.items()
    }


@pytest.mark.parametrize("name", ["fft", "bitfit", "adapter", "lora"])
def test_learning_rates_of_the_embedded_methods(name: str, counted: Callable[[str], Counted], numbers: Numbers) -> None:
    published = numbers("parameter_counts_bert_base_vit_base")[PUBLISHED[name]]["learning_rates"]
    groups = {entry["group"]: (entry["numel"], entry["lr"]) for entry in published}
    ours = sizes(counted(name).rates)
    head = counted(name).parts["head"][0]
    rest, rate = ours["fusion"]
    assert (rest + head, rate) == groups["recsys_params"]
    assert counted(name).rates.head == rate
    inserted = name in {"adapter", "lora"}
    for modality, whole, added in (
        ("text", "text_encoder_params", "adapter_text_params"),
        ("image", "image_net_params", "adapter_cv_params"),
    ):
        expected, expected_rate = groups[added if inserted else whole]
        less = POOLER_BIASES if (name, modality) == ("bitfit", "text") else 0
        assert ours[f"{modality} tower"] == (expected - less, expected_rate)


@pytest.mark.parametrize("name", ["iisan", "iisan-cached"])
def test_learning_rates_of_iisan(name: str, counted: Callable[[str], Counted], numbers: Numbers) -> None:
    published = numbers("parameter_counts_bert_base_vit_base")[PUBLISHED[name]]["learning_rates"]
    groups = {entry["group"]: (entry["numel"], entry["lr"]) for entry in published}
    ours = sizes(counted(name).rates)
    assert ours["text dense"] == groups["text_encoder_params"]
    assert ours["image dense and gates"] == groups["image_net_params"]
    rest, rate = ours["rest"]
    assert (rest + counted(name).parts["head"][0], rate) == groups["recsys_params"]
    # Published as two groups, image with inter-modal and text, of one rate.
    (image, rate), (text, other) = groups["adapter_cv_params"], groups["adapter_text_params"]
    assert rate == other
    assert ours["side blocks"] == (image + text, rate)
    assert counted(name).rates.head == 2e-4
