"""Towers of many families give transformers' own vectors, whatever they are called, and methods train on them."""

from pathlib import Path

import pytest
from families import FAMILIES, Family, seen
from family_checks import Shelf, cached_and_live, differences
from family_page import PAGE, page, steps


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.kind)
def test_a_family_gives_transformers_own_vectors_and_trains(family: Family) -> None:
    _, found = seen(family.kind)
    assert found.pooling(family.modality, "auto") == family.pooling
    shelf = Shelf(family)
    for what, difference in differences(family, shelf).items():
        assert difference < 1e-5, what
    assert cached_and_live(family, shelf) < 1e-5
    assert steps(family.kind)["fft"] == steps(family.kind)["bitfit"] == "yes"


def test_the_page_of_families_says_what_was_found() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "write it anew: python tests/family_page.py"
