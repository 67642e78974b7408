"""The studies that ship: each is planned without computing anything, and those of the paper's questions say theirs."""

from pathlib import Path

import pytest
from cells import is_kind

from tpmebench.bench.study.grid import plan
from tpmebench.bench.study.shipped import STUDIES
from tpmebench.bench.study.study import read_study
from tpmebench.methods.registry import methods
from tpmebench.outside import is_outside

QUESTIONS = ["main", "modality", "ablation", "backbones", "bottleneck", "layerdrop", "tpme-weights", "hybrid"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_study_of_a_question_plans_on_the_shop_with_micro(name: str, tmp_path: Path) -> None:
    study = read_study(name, {}, ["device=cpu"])
    assert study.datasets == ["bazaar"] and study.training.epochs <= 30
    planned = plan(study, tmp_path, "0.1.0")
    assert len({each.cell.id for each in planned}) == len(planned) >= len(study.methods)
    head = (STUDIES / f"{name}.toml").read_text(encoding="utf-8").partition("\nname")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "?" in head and ("Meant for" in head), "its question, and what it is meant for"


def test_the_speed_page_times_every_method_of_our_own() -> None:
    own = {name for name, method in methods().items() if method.kind == "method" and method.family != "reference"}
    assert set(read_study("speed", {}, []).methods) == {name for name in own if not (is_outside(name) or is_kind(name))}
