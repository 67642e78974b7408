"""Patience in epochs or steps: how it is written, and when it is over."""

import pytest
from pydantic import ValidationError

from tpmebench.bench.study.study import read_study
from tpmebench.cell import Cell, Training
from tpmebench.errors import BenchError
from tpmebench.patience import halved, in_words, is_over


@pytest.mark.parametrize(
    ("written", "read", "words"),
    [
        (10, 10, "10 epochs"),
        ("10 epochs", 10, "10 epochs"),
        (" 1 epoch", 1, "1 epoch"),
        ("1900 steps", "1900 steps", "1900 steps"),
        ("1900steps", "1900 steps", "1900 steps"),
        ("1 step", "1 steps", "1 steps"),
    ],
)
def test_it_has_one_form(written: object, read: object, words: str) -> None:
    found = Training.model_validate({"patience": written}).patience
    assert (found, in_words(found)) == (read, words)


@pytest.mark.parametrize("written", [0, -1, 1.5, True, None, "", "10", "0 steps", "10 hours", "1e3 steps", "9" * 20])
def test_what_is_no_patience_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match=r"epochs|greater"):
        Training.model_validate({"patience": written})


def test_it_is_given_on_the_command_line() -> None:
    assert read_study(None, {}, ["training.patience=1900 steps"]).training.patience == "1900 steps"
    assert read_study(None, {}, ["training.patience=7"]).training.patience == 7
    with pytest.raises(BenchError, match=r"--set training.patience: .*'1900 steps'"):
        read_study(None, {}, ["training.patience=long"])


def test_a_cell_with_a_patience_in_epochs_is_the_cell_that_it_was() -> None:
    """The id is a hash of what the cell is: of epochs it holds the plain number."""
    cell = Cell.model_validate({"method": "fft", "dataset": "d", "backbones": {"text": "a", "image": None}})
    short = cell.model_copy(update={"training": Training(patience=10)})
    assert short.identity()["training"]["patience"] == 10
    assert short.id != cell.id


def test_it_is_over_when_more_than_it_has_gone_by() -> None:
    assert [is_over(2, [5] * epochs, 1) for epochs in range(1, 5)] == [False, False, False, True]
    assert [is_over("10 steps", [5] * epochs, 1) for epochs in range(1, 5)] == [False, False, False, True]
    assert [is_over("9 steps", [5] * epochs, 1) for epochs in range(1, 5)] == [False, False, True, True]
    assert not is_over(1, [], 0) and not is_over("1 steps", [], 0), "nothing has been trained"


def test_half_of_it() -> None:
    assert [halved(each) for each in (10, 3, 1, "1900 steps", "5 steps", "1 steps")] == [
        5,
        1,
        None,
        "950 steps",
        "2 steps",
        None,
    ]
