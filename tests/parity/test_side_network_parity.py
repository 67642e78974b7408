"""The side networks against outputs and gradients of the published implementation."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tpmebench.methods.decoupled.side_network import SideDesign, SideNetworks

Arrays = Callable[[str], dict[str, Tensor]]
WIDTH, BOTTLENECK, HIDDEN = 8, 4, 32
NAMES = {
    r"cv_adapter_list\.": "intra.image.blocks.",
    r"bert_adapter_list\.": "intra.text.blocks.",
    r"mm_adapter_list\.": "inter.blocks.",
    r"cv_pre_fc": "intra.image.projection",
    r"bert_pre_fc": "intra.text.projection",
    r"fc_mm_down": "inter.projection",
    r"fc_mm": "inter.dense",
    r"fc_cv": "intra.image.dense",
    r"fc_bert": "intra.text.dense",
    r"com_dense": "fusion",
}
GATES = {"cv": "intra.image.gates", "text": "intra.text.gates", "mm": "inter.gates"}
CASES = [("side_network", True), ("side_network_without_first_state", False)]


def our_name(published: str) -> str:
    for pattern, ours in NAMES.items():
        if re.match(pattern, published):
            return re.sub(pattern, ours, published, count=1).replace("fc_down", "down").replace("fc_up", "up")
    raise KeyError(published)


def our_state(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under our names; a network's gates are one parameter."""
    state = {our_name(key): value for key, value in weights.items() if "gate" not in key}
    for network, ours in GATES.items():
        gates = sorted(key for key in weights if key.startswith(f"side_gate_params_{network}."))
        state[ours] = torch.cat([weights[key] for key in gates])
    return state


def load(name: str, first_state: bool, arrays: Arrays, levels: list[int]) -> tuple[SideNetworks, dict[str, Any]]:
    """The networks with the published weights, and the states that they read."""
    blocks: dict[str, int] = dict.fromkeys(("text", "image"), len(levels))
    design = SideDesign(bottleneck=BOTTLENECK, first_state=first_state)
    side = SideNetworks(dict.fromkeys(blocks, HIDDEN), blocks, WIDTH, design)
    side.load_state_dict(our_state(arrays(f"{name}_weights")))
    read = levels if first_state else [0, *levels]
    inputs = arrays(f"{name}_inputs")
    return side, {kind: [inputs[kind][:, level] for level in read] for kind in blocks}


@pytest.mark.parametrize(("name", "first_state"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs(
    arrays: Arrays, numbers: Callable[[str], dict[str, Any]], name: str, first_state: bool, dtype: torch.dtype
) -> None:
    side, states = load(name, first_state, arrays, numbers(name)["levels_of_blocks"])
    side.to(dtype)
    states = {kind: [level.to(dtype) for level in levels] for kind, levels in states.items()}
    expected = arrays(f"{name}_outputs")
    suffix, tolerance = ("", 1e-6) if dtype == torch.float32 else ("_f64", 1e-12)
    parts: dict[str, Tensor] = {}
    for kind, network in side.networks().items():
        network.register_forward_hook(lambda module, args, output, kind=kind: parts.update({kind: output}))
    parts["fused"] = side(states)
    for kind, published in {"image": "cv", "text": "text", "inter": "mm", "fused": "fused"}.items():
        torch.testing.assert_close(parts[kind], expected[published + suffix], atol=tolerance, rtol=0)


@pytest.mark.parametrize(("name", "first_state"), CASES)
def test_gradients(arrays: Arrays, numbers: Callable[[str], dict[str, Any]], name: str, first_state: bool) -> None:
    expected = numbers(name)
    side, states = load(name, first_state, arrays, expected["levels_of_blocks"])
    side.double()
    fused = side({kind: [level.double() for level in levels] for kind, levels in states.items()})
    loss = fused.square().sum() / len(fused)
    loss.backward()
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-12)
    parameters = dict(side.named_parameters())
    norms = expected["gradient_norms"]
    for published, norm in norms.items():
        gate = re.fullmatch(r"side_gate_params_(\w+)\.(\d+)", published)
        key, place = (GATES[gate[1]], int(gate[2])) if gate else (our_name(published), slice(None))
        gradient = parameters[key].grad
        assert gradient is not None
        assert gradient[place].norm().item() == pytest.approx(norm, abs=1e-10), published
    fusion = sum(parameter.numel() for parameter in side.fusion.parameters())  # not among those published
    assert sum(parameter.numel() for parameter in side.parameters()) - fusion == expected["parameters"]
    assert len(parameters) == len(norms) - sum("gate" in key for key in norms) + len(GATES)
