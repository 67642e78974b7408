"""A checkpoint gives back all that training changed, and one that cannot be used holds nothing up."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cells import trained
from safetensors import safe_open
from safetensors.torch import save_file

from tpmebench.bench.worker.checkpoint import checkpoint_path, drop_checkpoints, load_checkpoint, save_checkpoint
from tpmebench.bench.worker.loop import Progress
from tpmebench.bench.worker.step import Trainer
from tpmebench.bench.worker.training_state import TrainerState
from tpmebench.cell import BackboneChoice, Cell, Head, Training
from tpmebench.reports.measurements import Pass
from tpmebench.reports.records import Code, Epoch, Record


def make_trainer(width: int = 8) -> Trainer:
    cell = Cell(
        method="sasrec-id",
        dataset="bazaar:items=60,users=40",
        modalities="text",
        backbones=BackboneChoice(text="micro", image=None),
        training=Training(batch=16),
        head=Head(width=width, dropout=0.5),
    )
    trainer = Trainer(trained(cell))
    trainer.recommender.register_buffer("count", torch.zeros(1))
    return trainer


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.recommender.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def half_way() -> Progress:
    """A progress of which no field has its default."""
    epoch = Epoch(loss=1.5, total=2.0, data=0.5, forward=0.5, backward=0.5, update=0.5, steps=3, users=40, resumed=True)
    return Progress(
        epochs=[epoch, epoch.model_copy(update={"loss": 1.25, "valid": {"HR@10": 0.5}})],
        step_times=[0.25, 0.125],
        best=0.5,
        best_epoch=2,
        valid_ranks=np.array([1.0, np.inf, 3.5]),
        test_ranks=np.array([2.0, 4.0]),
        test_seconds=0.75,
        best_state={"weight": torch.tensor([1.0, 2.0])},
        seconds=12.5,
        energy=31.0,
        passes=[Pass(encoding=0.5, items=3, ranking=0.25, users=3, waited=0.125)],
        beside=7,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "cell.safetensors"


@pytest.fixture
def saved(path: Path) -> Trainer:
    """A trainer that has trained for an epoch, and has left a checkpoint."""
    torch.manual_seed(3)
    trainer = make_trainer()
    trainer.epoch(0)
    trainer.recommender.get_buffer("count").fill_(7)
    save_checkpoint(path, trainer, half_way())
    return trainer


def test_progress_comes_back_whole(saved: Trainer, path: Path) -> None:
    progress, damage = load_checkpoint(path, make_trainer())
    assert damage is None
    expected, found = vars(half_way()), vars(progress)
    assert expected.keys() == found.keys()
    (best,), (kept,) = (each.pop("best_state").values() for each in (expected, found))
    assert torch.equal(best, kept)
    for name, value in expected.items():
        assert isinstance(value, np.ndarray) or value != getattr(Progress(), name), f"{name}: a default proves nothing"
        assert np.array_equal(found[name], value) if isinstance(value, np.ndarray) else found[name] == value, name


def test_one_of_before_says_of_no_others(saved: Trainer, path: Path) -> None:
    progress = half_way()
    del progress.beside
    save_checkpoint(path, saved, progress)
    begun, damage = load_checkpoint(path, make_trainer())
    assert (len(begun.epochs), begun.beside, damage) == (2, 0, None)


def test_one_without_the_best_epoch_s_parameters_is_not_taken_where_they_are_to_be_saved(path: Path) -> None:
    progress = half_way()
    progress.best_state = None
    save_checkpoint(path, make_trainer(), progress)
    assert load_checkpoint(path, make_trainer())[1] is None
    begun, said = load_checkpoint(path, make_trainer(), keep_best=True)
    assert not begun.epochs and said is not None and "no parameters of its best epoch" in said


def test_training_goes_on_as_if_it_had_not_been_interrupted(saved: Trainer, path: Path) -> None:
    """Parameters, buffers, moments, dropout's generator and the count of updates all decide the next epoch."""
    loss = saved.epoch(1).loss
    torch.manual_seed(99)
    other = make_trainer()
    load_checkpoint(path, other)
    assert other.updates == saved.updates // 2 > 0
    assert other.epoch(1).loss == loss
    assert same(state(saved), state(other))


def test_the_scale_of_a_loss_in_half_precision_comes_back(saved: Trainer, path: Path) -> None:
    saved.scaler, other = (torch.amp.GradScaler("cpu", init_scale=scale) for scale in (8.0, 2.0))
    save_checkpoint(path, saved, half_way())
    trainer = make_trainer()
    trainer.scaler = other
    assert load_checkpoint(path, trainer)[1] is None
    assert trainer.scaler.get_scale() == 8.0
    _, said = load_checkpoint(path, make_trainer())
    assert said is not None and "of another precision" in said


def test_other_code_goes_on_from_no_checkpoint_of_the_cell_s_and_leaves_none(tmp_path: Path) -> None:
    cell = Cell(method="sasrec-id", dataset="bazaar:items=60,users=40", backbones=BackboneChoice(text=None, image=None))
    paths = []
    for code in (Code(), Code(method="1"), Code(training="1")):
        started = "2026-01-01T00:00:00+00:00"
        record = Record(
            study="s", cell=cell, cell_id=cell.id, family="reference", status="crashed", started=started, code=code
        )
        paths.append(checkpoint_path(tmp_path, record))
    assert len(set(paths)) == 3
    paths[0].parent.mkdir()
    another = paths[0].with_name(f"{'0' * 16}-{'1' * 8}.safetensors")
    for path in (*paths, another):
        path.touch()
    drop_checkpoints(tmp_path, cell.id)
    assert list(another.parent.iterdir()) == [another]


def test_moments_of_another_optimiser_are_not_taken(saved: Trainer, path: Path) -> None:
    parameters = saved.optimiser.param_groups[0]["params"]
    saved.optimiser.state[parameters[0]]["exp_avg"] = torch.zeros(1, 2, 3)
    save_checkpoint(path, saved, half_way())
    _, said = load_checkpoint(path, make_trainer())
    assert said is not None and "of another optimiser" in said


def test_what_a_card_left_is_not_taken_on_a_cpu(saved: Trainer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = TrainerState.of(saved)
    state.generators["cuda"] = torch.zeros(16, dtype=torch.uint8)
    monkeypatch.setattr(TrainerState, "of", lambda trainer: state)
    save_checkpoint(path, saved, half_way())
    _, said = load_checkpoint(path, make_trainer())
    assert said is not None and "of another device" in said


def test_without_a_checkpoint_there_is_nothing_to_say(path: Path) -> None:
    progress, damage = load_checkpoint(path, make_trainer())
    assert (progress, damage) == (Progress(), None)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("kept")


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def rewritten(change: Callable[[dict[str, str]], object]) -> Callable[[Path], None]:
    """The same tensors under other words."""

    def damage(path: Path) -> None:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        change(about)
        save_file(tensors, path, about)

    return damage


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (truncated, "cannot be read"),
        (flipped, "not as it was written"),
        (folder, "is no file"),
        (loop, "is no file"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("no tensors"), "cannot be read"),
        (rewritten(lambda about: about.update(version="99")), "of version 99"),
        (rewritten(lambda about: about.pop("version")), "of version unknown"),
        (rewritten(lambda about: about.update(progress=json.dumps({}))), "not as it was written"),
        (lambda path: save_checkpoint(path, make_trainer(width=16), half_way()), "of other parameters"),
    ],
)
def test_one_that_cannot_be_used_is_named_and_out_of_the_way(
    saved: Trainer, path: Path, damage: Callable[[Path], object], why: str
) -> None:
    damage(path)
    trainer = make_trainer()
    before, generator = state(trainer), torch.get_rng_state()
    progress, said = load_checkpoint(path, trainer)
    assert progress == Progress()
    assert said is not None and why in said and "started anew" in said and f"{path.name}.unusable-1" in said
    assert same(before, state(trainer)) and not trainer.optimiser.state
    assert torch.equal(torch.get_rng_state(), generator)
    assert [file.name for file in path.parent.iterdir()] == [f"{path.name}.unusable-1"]
    save_checkpoint(path, trainer, Progress())  # and the cell leaves new ones
    assert load_checkpoint(path, trainer) == (Progress(), None)
