"""The bounds of the property tests can fail."""

import mmap
import sys
from time import process_time

import pytest
from bounds import bounded

from tpmebench.errors import BenchError


def test_what_ends_well_or_in_one_line_holds() -> None:
    """Of the two nothing is raised, the error of one line is swallowed."""
    for error in (None, BenchError("x.toml: wrong: mend it")):
        with bounded("x.toml"):
            if error:
                raise error


def test_what_takes_long_does_not_hold() -> None:
    with pytest.raises(AssertionError, match="seconds"), bounded(seconds=0.05):
        end = process_time() + 0.1
        while process_time() < end:
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="peaks restart on Linux only")
def test_what_takes_much_memory_for_a_moment_does_not_hold() -> None:
    with pytest.raises(AssertionError, match="MB"), bounded(megabytes=100):
        _fill(128 << 20)
    with bounded(megabytes=100):
        _fill(16 << 20)


def _fill(size: int) -> None:
    """New pages: malloc would give what other tests have freed."""
    with mmap.mmap(-1, size) as block:
        for start in range(0, size, mmap.PAGESIZE):
            block[start] = 1


def test_a_message_that_no_line_shows_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tpmebench.errors.visible", str)
    for message in ("x: one\ntwo", "x: \x1b[31m", f"x: {'n' * 5000}", "no file named"):
        with pytest.raises(AssertionError), bounded("x: "):
            raise BenchError(message)


def test_any_other_error_goes_through() -> None:
    with pytest.raises(KeyError), bounded():
        raise KeyError("a traceback for the user")
