"""The file of what a cell has trained is read as it was written, or refused in a line that names it."""

from pathlib import Path

import pytest
import torch

from tpmebench.bench.worker.places import Places
from tpmebench.bench.worker.saving import VERSION, Kept, read_about, read_state, save_kept, write_tensors
from tpmebench.errors import BenchError


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    path, state = tmp_path / "cell.safetensors", {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(7)}
    about = Kept(started="now", epoch=3, places=Places(dataset="d", text=None, image="i", method="m", task="t"))
    save_kept(path, state, about)
    assert read_about(path) == about
    torch.testing.assert_close(read_state(path), state, rtol=0, atol=0)


@pytest.mark.parametrize(
    "said", ["[" * 100_000, "null", '{"started": "now", "epoch": "3"}'], ids=["deep", "none", "ill"]
)
def test_a_file_that_says_something_else_of_itself_is_refused(tmp_path: Path, said: str) -> None:
    path = tmp_path / "cell.safetensors"
    write_tensors(path, {"a": torch.ones(1)}, {"version": VERSION, "kept": said})
    with pytest.raises(BenchError, match=r"cell\.safetensors: cannot be read"):
        read_about(path)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.safetensors"
    path.write_bytes(b"0")
    for read in (read_about, read_state):
        with pytest.raises(BenchError, match=r"cell\.safetensors: cannot be read"):
            read(path)
