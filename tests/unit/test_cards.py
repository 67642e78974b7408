"""Cards by name or from a file, and the floor under a step's time on one."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from bounds import bounded
from hypothesis import given
from hypothesis import strategies as st
from schemas import as_toml, mutated
from torch.nn.functional import scaled_dot_product_attention

from tpmebench.bench.planning.cards import CARDS, Card, find_card, names, read_card
from tpmebench.bench.planning.floors import floor
from tpmebench.bench.planning.work import Operator, Shape, StepWork, observe
from tpmebench.errors import BenchError
from tpmebench.values import size_in_bytes, written_size

VALID: dict[str, Any] = {
    "name": "round numbers",
    "memory": "10GB",
    "bandwidth": 1e9,
    "cache": "1kB",
    "launch": 1e-6,
    "context": "1GB",
    "workspaces": "500MB",
    "source": "a test",
    "rates": {"float32": 1e9, "tf32": 4e9, "float16": 8e9, "bfloat16": 8e9},
}
CARD = Card.model_validate(VALID)


def operator(name: str, operations: int = 0, size: int = 0, dtype: str = "float32") -> Operator:
    return Operator(name, (), (), dtype, operations, size)


def test_the_cards_of_the_issue_ship_and_are_read():
    assert set(names()) == {"h100", "h200", "a100-80", "a100-40", "l40s", "a10", "t4", "rtx4090"}
    for name in names():
        card = find_card(name)
        assert card.rates.float32 < card.bandwidth * 200, name
        assert 0 < card.allowance < card.memory_bytes
        assert card.source and not card.source.endswith(" ")


def test_rates_are_those_of_dense_matrices():
    """What data sheets star is twice as much."""
    assert find_card("h100").rates.bfloat16 == 1978.8e12 / 2
    assert find_card("a100-80").rates.float16 == 624e12 / 2
    assert find_card("l40s").rates.bfloat16 == pytest.approx(733e12 / 2, rel=0.02)
    assert find_card("t4").rates.tf32 is None


def test_a_users_card_is_read_from_a_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(as_toml(VALID), encoding="utf-8")
    assert find_card(str(path)) == CARD
    assert CARD.allowance == 1_500_000_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"memory": "80"}, "'memory': give a size with its unit"),
        ({"memory": "80 gb"}, "'memory': give a size with its unit"),
        ({"bandwidth": 0.0}, "'bandwidth': input should be greater than 0"),
        ({"bandwidth": float("inf")}, "'bandwidth'"),
        ({"launch": 1.0}, "'launch': input should be less than or equal to 0.001"),
        ({"memry": "80GB"}, "did you mean 'memory'?"),
        ({"rates": {"float32": 1e9, "float16": 1e9, "bf16": 1e9}}, "'rates.bfloat16': it is missing"),
        ({"rates": {**VALID["rates"], "fp8": 1e9}}, "unknown key 'rates.fp8'"),
    ],
)
def test_a_card_that_is_none_is_refused_with_its_key(tmp_path: Path, change: dict[str, Any], said: str):
    path = tmp_path / "mine.toml"
    path.write_text(as_toml({**VALID, **change}), encoding="utf-8")
    with pytest.raises(BenchError) as refused:
        read_card(path)
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)


def test_an_unknown_card_is_refused_with_those_there_are():
    with pytest.raises(BenchError, match="unknown card 'h10': did you mean 'h100'"):
        find_card("h10")
    with pytest.raises(BenchError, match="nowhere"):
        find_card("nowhere.toml")


@given(values=mutated(Card, VALID))
def test_any_file_is_a_card_or_one_line(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("cards") / "mine.toml"
    path.write_text(as_toml(values), encoding="utf-8")
    with bounded(str(path)):
        read_card(path)


@pytest.mark.parametrize("path", CARDS.glob("*.toml"), ids=lambda path: path.stem)
def test_a_card_says_all_that_it_assumes(path: Path):
    assert tomllib.loads(path.read_text(encoding="utf-8")).keys() == Card.model_fields.keys()


@pytest.mark.parametrize(
    ("text", "size", "written"),
    [
        ("24GiB", 24 * 2**30, "24GiB"),
        ("80GB", 80 * 10**9, "80GB"),
        (" 1.5 GiB ", 3 * 2**29, "1536MiB"),
        ("2048MiB", 2**31, "2GiB"),
        ("1024B", 1024, "1KiB"),
        ("1000B", 1000, "1kB"),
        ("7B", 7, "7B"),
    ],
)
def test_a_size_is_read_with_its_unit_and_written_alike(text: str, size: int, written: str):
    assert size_in_bytes(text) == size
    assert written_size(size) == written
    assert size_in_bytes(written) == size


@given(st.integers(1, 10**15))
def test_a_size_is_written_as_it_is_read(size: int):
    assert size_in_bytes(written_size(size)) == size


@pytest.mark.parametrize("text", ["", "0GB", "-1GB", "24", "24 G", "GiB", "1e3GB", "99999TB", "1GB 2GB"])
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(ValueError, match="with its unit"):
        size_in_bytes(text)


def test_a_floor_is_the_longer_of_products_and_bytes_of_each_operator():
    products = operator("aten.mm.default", operations=3_000_000, size=1_002_000)  # 3 ms against 1 ms
    moved = operator("aten.add.Tensor", size=2_002_000)  # 2 ms
    found = floor(StepWork({products: 2, moved: 3}), CARD)
    assert found.products == pytest.approx(2 * 3e-3)
    assert found.transfers == pytest.approx(2 * 1e-3 + 3 * 2e-3)
    assert found.operators == pytest.approx(2 * 3e-3 + 3 * 2e-3)
    assert found.launches == pytest.approx(5e-6)
    assert found.seconds == found.operators
    assert found.bound == "bandwidth"


def test_the_rate_is_that_of_what_an_operator_computes_in():
    work = {
        dtype: StepWork({operator("aten.mm.default", 8_000_000, dtype=dtype): 1}) for dtype in ("float32", "bfloat16")
    }
    assert floor(work["float32"], CARD).seconds == pytest.approx(8e-3)
    assert floor(work["bfloat16"], CARD).seconds == pytest.approx(1e-3)
    convolution = StepWork({operator("aten.convolution.default", 8_000_000): 1})
    assert floor(convolution, CARD).seconds == pytest.approx(2e-3)
    without = CARD.model_copy(update={"rates": CARD.rates.model_copy(update={"tf32": None})})
    assert floor(convolution, without).seconds == pytest.approx(8e-3)


def test_what_fits_the_cache_need_not_pass_through_memory():
    assert floor(StepWork({operator("aten.add.Tensor", size=2000): 1}), CARD).transfers == 0


def test_many_small_kernels_take_as_long_as_their_launches():
    found = floor(StepWork({operator("aten.add.Tensor", size=2_001): 100}), CARD)
    assert found.seconds == found.launches == pytest.approx(100e-6)
    assert found.bound == "launches"


def test_dropout_is_the_one_kernel_that_it_is_on_a_card():
    """On a CPU it is three: a mask, its scaling, a product."""
    x = torch.ones(64, 1000)
    found = floor(observe(lambda: torch.dropout(x, 0.5, train=True)), CARD)
    bytes_on_a_card = 2 * x.nbytes + x.numel()
    assert found.launches == pytest.approx(CARD.launch)
    assert found.transfers == pytest.approx((bytes_on_a_card - 2 * size_in_bytes(CARD.cache)) / CARD.bandwidth)


def test_attention_with_dropout_moves_no_scores():
    """A CPU has no kernel for it and writes scores, their softmax and its mask; a card keeps them on its chip."""
    query, key, value = (torch.ones(2, 3, 50, 8) for _ in range(3))
    work = observe(lambda: scaled_dot_product_attention(query, key, value, dropout_p=0.1))
    found = floor(work, CARD)
    moved = query.nbytes + key.nbytes + value.nbytes + query.nbytes
    assert sum(work.operations.values()) > 0
    assert found.products == pytest.approx(sum(work.operations.values()) / CARD.rates.float32)
    assert found.transfers <= moved / CARD.bandwidth


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 1000)), max_size=6),
    st.floats(0.1, 10),
)
def test_a_better_card_has_no_higher_floor(calls: list[tuple[int, int, int]], factor: float):
    work = StepWork({operator(f"aten.op{n}.x", o, b): times for n, (o, b, times) in enumerate(calls)})
    better = CARD.model_copy(update={"bandwidth": CARD.bandwidth * max(factor, 1 / factor)})
    assert floor(work, better).seconds <= floor(work, CARD).seconds
    assert floor(work, CARD).seconds >= max(floor(work, CARD).products, floor(work, CARD).transfers)


def test_shapes_of_scores_are_told_from_others():
    """A product that makes scores and one that takes them are attention; others of the step are not."""
    score, other = Shape("float32", (6, 50, 50)), Shape("float32", (300, 300))
    softmax = Operator(
        "aten._softmax.default",
        (Shape("float32", (2, 3, 50, 50)),) * 1,
        (Shape("float32", (2, 3, 50, 50)),),
        "float32",
        0,
        120_000,
    )
    into = Operator("aten.bmm.default", (Shape("float32", (6, 50, 8)),) * 2, (score,), "float32", 1000, 79_200)
    plain = Operator("aten.mm.default", (other, other), (other,), "float32", 1000, 1_080_000)
    found = floor(StepWork({softmax: 1, into: 1, plain: 1}), CARD)
    assert found.launches == pytest.approx(CARD.launch)
    assert found.transfers == pytest.approx((79_200 - 60_000 - 2000 + 1_080_000 - 2000) / CARD.bandwidth)
