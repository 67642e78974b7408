"""Making batches ahead: the same items, errors in their turn, and a thread that ends with its reader."""

import threading
from collections.abc import Iterator

import pytest
import torch

from tpmebench.bench.worker.prefetch import prefetch

DEVICES = [torch.device("cpu"), torch.device("cuda")]


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_items_come_in_order_and_an_error_in_its_turn(device: torch.device) -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise ValueError("broken source")

    seen: list[int] = []
    with pytest.raises(ValueError, match="broken source"):
        seen.extend(prefetch(source(), device))
    assert seen == list(range(5))


def test_only_for_a_card_is_work_done_by_another_thread() -> None:
    def source() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    assert list(prefetch(source(), DEVICES[0])) == [threading.current_thread()]
    assert list(prefetch(source(), DEVICES[1])) != [threading.current_thread()]


def test_a_reader_that_stops_early_ends_the_thread() -> None:
    before = threading.active_count()
    ahead = prefetch(range(100), DEVICES[1])
    assert next(ahead) == 0
    assert threading.active_count() == before + 1
    ahead.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
