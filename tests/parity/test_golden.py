"""Every method trains, ranks and costs what it did when `golden.json` was written; see `tests/golden.py`."""

import json
from pathlib import Path

import golden
import pytest

KNOWN = json.loads(golden.FILE.read_text())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_the_golden_run_has_every_method_that_trains():
    assert list(KNOWN["methods"]) == golden.METHODS


@pytest.mark.parametrize("method", golden.METHODS)
def test_a_short_run_gives_what_it_gave(method: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Parameters, operations, items and bytes to the last; losses and metrics but for what another processor rounds."""
    monkeypatch.setenv("TPMEBENCH_CACHE", str(cache))
    known, found = KNOWN["methods"][method], golden.run(method)
    assert found["exact"] == known["exact"]
    assert found["losses"] == pytest.approx(known["losses"], rel=1e-4)
    users = 48
    assert found["test"] == pytest.approx(known["test"], abs=2 / users)  # two users may swap places
    if golden.machine() == KNOWN["machine"]:
        assert found["losses"] == pytest.approx(known["losses"], rel=1e-6)
        assert found["ranks"] == known["ranks"]
