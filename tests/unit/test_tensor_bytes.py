"""The tensor-byte meter on programs whose peak can be worked out by hand, to the byte."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tpmebench.bench.meters.shapes import without_memory
from tpmebench.bench.meters.tensor_bytes import TensorBytes

KB = 1024


def ones(kilobytes: int) -> torch.Tensor:
    return torch.ones(kilobytes * 256)


def test_temporaries_count_until_their_last_holder_is_gone() -> None:
    with TensorBytes() as meter:
        a = ones(1)
        b = a + 1
        assert meter.current == meter.peak == 2 * KB
        del a
        assert (meter.current, meter.peak) == (KB, 2 * KB)
        b = b * 2  # the old b lives until the new one is there
        assert (meter.current, meter.peak) == (KB, 2 * KB)
        del b
    assert (meter.current, meter.peak) == (0, 2 * KB)


def test_views_and_in_place_operations_add_nothing() -> None:
    with TensorBytes() as meter:
        a = ones(4)
        views = [a.view(2, -1), a[10:20], a.t() if a.dim() == 2 else a.detach(), a.expand(7, -1)]
        a.add_(1).mul_(2)
        views[1].zero_()
        assert meter.peak == 4 * KB
        del a
        assert meter.current == 4 * KB  # a view keeps the whole storage
        views.clear()
        assert meter.current == 0


def test_saved_activations_of_a_small_network() -> None:
    """Linear(4→8) · ReLU · Linear(8→2) on 16 rows, worked out operation by operation."""
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    batch = torch.randn(16, 4)
    weights = 4 * (4 * 8 + 8 + 8 * 2 + 2)
    hidden, output = 4 * 16 * 8, 4 * 16 * 2
    with TensorBytes([network, batch]) as meter:
        start = weights + batch.nbytes
        assert meter.current == start
        result = network(batch)
        # ReLU saves its result; the first product's output was an input to ReLU only, and is gone.
        assert meter.peak == start + 2 * hidden
        assert meter.current == start + hidden + output
        loss = result.sum()
        del result
        assert meter.current == start + hidden + 4
        meter.reset_peak()
        loss.backward()
        # The most lives at the second product's end, none of its gradients (weights 64, bias 8 bytes) stored later than
        # the hidden layer's: loss and its gradient (an expanded scalar), hidden layer, gradient of the hidden layer,
        # and then ReLU's gradient beside it.
        assert meter.peak == start + 4 + 4 + (64 + 8) + 3 * hidden
        assert meter.current == start + weights + 4
        assert meter.kinds_at_peak()["weights"] == weights


def test_the_peak_of_a_forward_pass_without_gradients_keeps_no_activations() -> None:
    network = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(6)))
    batch = torch.randn(32, 64)
    one, weights = batch.nbytes, 6 * 64 * 64 * 4
    with TensorBytes([network, batch]) as meter, torch.no_grad():
        network(batch)
    assert meter.peak == weights + one + 2 * one
    with TensorBytes([network, batch]) as meter:
        network(batch)
    assert meter.peak == weights + one + 6 * one


def test_a_freed_graph_releases_what_it_saved() -> None:
    leaf = ones(1).requires_grad_()
    with TensorBytes([leaf]) as meter:
        result = leaf
        for _ in range(5):
            result = result.exp()  # saves its result
        assert meter.current == 6 * KB
        loss = result.sum()
        del result
        assert meter.current == 6 * KB + 4
        del loss  # never ran backward
        assert meter.current == KB


def test_autocast_keeps_a_half_precision_copy_of_the_weight_for_the_block() -> None:
    layer, batch = nn.Linear(256, 256, bias=False), torch.randn(8, 256)
    full, rows = 256 * 256 * 4, 8 * 256
    with TensorBytes([layer, batch]) as meter:
        with torch.autocast("cpu", torch.bfloat16):
            first = layer(batch)
            second = layer(batch)
            # The weight's cast is cached over both calls, the batch's is not (only the graph saves it).
            assert first.dtype is torch.bfloat16
            assert meter.current == full + 4 * rows + full // 2 + 2 * (2 * rows) + 2 * (2 * rows)
        del first, second
        assert meter.current == full + 4 * rows


def test_adam_keeps_two_moments_and_a_step_count_per_parameter() -> None:
    layer = nn.Linear(100, 10)
    weights, batch = 4 * (100 * 10 + 10), torch.randn(3, 100)
    optimiser = torch.optim.Adam(layer.parameters())
    with TensorBytes([layer, optimiser, batch]) as meter:
        layer(batch).sum().backward()
        optimiser.step()
        state = 2 * weights + 2 * 4
        assert meter.current == batch.nbytes + 2 * weights + state
        optimiser.zero_grad()
        assert meter.current == batch.nbytes + weights + state
        meter.reset_peak()
    kinds = {"weights": weights, "gradients": 0, "optimiser": state, "activations": batch.nbytes}
    assert meter.kinds_at_peak() == kinds


def test_kinds_at_the_peak_sum_to_it_though_they_become_known_later() -> None:
    layer, batch = nn.Linear(300, 300), torch.randn(2, 300)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    with TensorBytes([layer, optimiser, batch]) as meter:
        layer(batch).sum().backward()
        optimiser.step()  # the buffers are made here, and labelled only when the step is over
    weights = 4 * (300 * 300 + 300)
    kinds = meter.kinds_at_peak()
    assert sum(kinds.values()) == meter.peak
    assert kinds["weights"] == kinds["gradients"] == kinds["optimiser"] == weights


def test_gradients_that_were_there_before_count_as_such() -> None:
    layer = nn.Linear(10, 10, bias=False)
    layer(torch.ones(1, 10)).sum().backward()
    with TensorBytes([layer]) as meter:
        pass
    assert meter.kinds_at_peak() == {"weights": 400, "gradients": 400, "optimiser": 0, "activations": 0}


def test_buffers_are_weights_and_state_of_earlier_steps_is_the_optimisers() -> None:
    norm = nn.BatchNorm1d(8)
    optimiser = torch.optim.Adam(norm.parameters())
    norm(torch.randn(4, 8)).sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    with TensorBytes([norm, optimiser]) as meter:
        pass
    parameters, statistics = 4 * (8 + 8), 4 * (8 + 8) + 8
    kinds = {"weights": parameters + statistics, "gradients": 0, "optimiser": 2 * parameters + 2 * 4, "activations": 0}
    assert meter.kinds_at_peak() == kinds


def test_the_cycle_collector_rests_meanwhile_and_is_left_as_it_was() -> None:
    for collecting in (True, False):
        (gc.enable if collecting else gc.disable)()
        try:
            with TensorBytes():
                assert not gc.isenabled()
            assert gc.isenabled() is collecting
        finally:
            gc.enable()


def test_a_caller_may_label_what_it_knows() -> None:
    with TensorBytes() as meter:
        state, other = ones(2), ones(1)
        meter.label({"layer": [state]}, "optimiser")
        del other
    assert meter.kinds_at_peak() == {"weights": 0, "gradients": 0, "optimiser": 2 * KB, "activations": KB}


def test_two_alternating_phases_have_their_own_peaks() -> None:
    peaks: dict[str, list[int]] = {"large": [], "small": []}
    kept = ones(1)
    with TensorBytes([kept]) as meter:
        for phase in ("large", "small", "large", "small"):
            meter.reset_peak()
            kept * 1 if phase == "small" else (ones(8) + 1)
            peaks[phase].append(meter.peak)
    assert peaks == {"large": [17 * KB] * 2, "small": [2 * KB] * 2}


def test_a_resized_storage_counts_with_its_new_size() -> None:
    with TensorBytes() as meter:
        a = torch.empty(0)
        a.resize_(256)
        assert meter.current == KB
        a.resize_(16)  # a smaller shape keeps its storage
        assert meter.current == KB
        a.untyped_storage().resize_(3 * KB)
        a.add_(1)
        assert meter.current == meter.peak == 3 * KB


def test_memory_made_before_counts_once_it_is_tracked_or_touched() -> None:
    tracked, touched, idle = ones(1), ones(2), ones(4)
    with TensorBytes([{"nested": [tracked]}]) as meter:
        assert meter.current == KB
        touched.sum()
        assert (meter.current, meter.peak) == (3 * KB, 3 * KB + 4)
        del tracked, touched
        assert meter.current == 0
        meter.track(idle)
        assert meter.current == 4 * KB


def test_a_memory_map_belongs_to_the_system_until_it_is_tracked(tmp_path: Path) -> None:
    np.save(tmp_path / "states.npy", np.zeros((100, 256), dtype=np.float32))
    states = torch.from_numpy(np.load(tmp_path / "states.npy", mmap_mode="c"))
    with TensorBytes() as meter:
        rows = states[:50].index_select(0, torch.tensor([1, 2]))
        assert meter.current == rows.nbytes
        meter.track(states)
        assert meter.current == rows.nbytes + 100 * KB


def step_peaks(*, hooks: bool = True) -> tuple[int, list[dict[str, int]]]:
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
    optimiser = torch.optim.Adam(encoder.parameters())
    batch = torch.randn(4, 6, 32)
    kinds = []
    with TensorBytes([encoder, optimiser, batch] if hooks else [list(encoder.parameters()), batch]) as meter:
        for _ in range(3):
            meter.reset_peak()
            optimiser.zero_grad()
            encoder(batch).square().mean().backward()
            optimiser.step()
            kinds.append(meter.kinds_at_peak())
    return meter.peak, kinds


def test_equal_on_repetition_to_the_byte() -> None:
    first = step_peaks()
    gc.disable()
    try:
        assert step_peaks() == first
    finally:
        gc.enable()
    assert step_peaks(hooks=False)[0] == first[0]


def test_fake_tensors_give_the_same_peak_and_allocate_nothing() -> None:
    def peak(mode: FakeTensorMode | None) -> int:
        encoder = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        encoder.twin = encoder.linear1.weight
        if mode is None:
            return steps(encoder)
        with mode:
            return steps(without_memory(encoder, mode))

    def steps(encoder: nn.Module) -> int:
        optimiser, batch = torch.optim.Adam(encoder.parameters()), torch.randn(4, 6, 64)
        with TensorBytes([encoder, optimiser, batch]) as meter:
            for _ in range(2):
                optimiser.zero_grad()
                encoder(batch).square().mean().backward()
                optimiser.step()
        return meter.peak

    assert peak(FakeTensorMode()) == peak(None)


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, 3)), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_order_of_births_and_deaths(program: list[tuple[int, int]]) -> None:
    """Against a list of sizes kept by hand: each step makes a tensor, then drops up to three of the oldest."""
    tensors: list[torch.Tensor] = []
    peak = live = 0
    with TensorBytes() as meter:
        for size, drops in program:
            tensors.append(torch.empty(size))
            live += 4 * size
            peak = max(peak, live)
            for _ in range(min(drops, len(tensors))):
                live -= tensors.pop(0).nbytes
            assert (meter.current, meter.peak) == (live, peak)
        tensors.clear()
    assert meter.peak == peak


def test_following_ends_with_the_block_and_leaves_no_hook() -> None:
    layer = nn.Linear(4, 4, bias=False)
    optimiser = torch.optim.Adam(layer.parameters())
    with pytest.raises(ZeroDivisionError), TensorBytes([layer, optimiser]) as meter:
        raise ZeroDivisionError
    assert gc.isenabled()
    layer(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    assert meter.peak == 64
    assert not layer.weight._post_accumulate_grad_hooks  # type: ignore[attr-defined]


def test_a_sparse_tensor_counts_as_its_indices_and_values() -> None:
    indices, values = torch.tensor([[0, 2, 5], [1, 1, 3]]), torch.ones(3)
    coo = torch.sparse_coo_tensor(indices, values, (8, 8), check_invariants=True).coalesce()
    with TensorBytes([coo]) as meter:
        assert meter.current == 2 * 3 * 8 + 3 * 4
    csr = torch.sparse_csr_tensor(torch.tensor([0, 1, 3]), torch.tensor([1, 0, 1]), values, check_invariants=True)
    with TensorBytes([csr]) as meter:
        assert meter.current == 3 * 8 + 3 * 8 + 3 * 4
    with TensorBytes() as meter:
        doubled = coo + coo
        assert meter.current >= 2 * doubled._values().nbytes
