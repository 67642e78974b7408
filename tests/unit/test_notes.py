"""What a study says of itself, and what a reader must know of the built-in towers, in the head of every report."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.bench.study.study import read_study
from tpmebench.cell import BackboneChoice
from tpmebench.methods.backbones.source import BackboneSource
from tpmebench.reports.formats import published
from tpmebench.reports.formats.markdown import render
from tpmebench.reports.records import Record
from tpmebench.reports.report import MICRO, ReportOptions, write_report

Make = Callable[..., Record]
Write = Callable[..., Path]
NOTE = "A short run. See reports/published/converged/report.md | there."
FORMATS = ("md", "html", "tex")


def heads(folder: Path, *others: Path) -> dict[str, str]:
    """Each format of the report on these studies, up to where its first table begins."""
    write_report([folder, *others], ReportOptions(FORMATS, output=folder / "out"))
    ends = {"md": "\n| ", "html": "<main", "tex": r"\begin"}
    return {kind: (folder / "out" / f"report.{kind}").read_text().split(ends[kind])[0] for kind in FORMATS}


def of_study(record: Record, name: str, note: str) -> Record:
    return record.model_copy(update={"study": name, "note": note})


def test_what_a_study_says_of_itself_stands_in_the_head_of_every_format(
    tmp_path: Path, make_record: Make, write_study: Write, undrawn: None
) -> None:
    one = write_study(tmp_path / "one", [of_study(make_record(m), "one", NOTE) for m in ("fft", "lora")])
    for kind, head in heads(one).items():
        assert head.count("A short run. See reports/published/converged/report.md") == 1, kind
        assert "one: A short run" not in head
    two = write_study(tmp_path / "two", [of_study(make_record("bitfit"), "two", "Another\n# one.")])
    both = heads(one, two)
    assert all("one: A short run" in head for head in both.values())
    assert all("two: Another" in head for head in both.values()) and "\n# one." not in both["md"]
    assert not [line for line in both["tex"].splitlines() if line and not line.startswith("%")]


@pytest.mark.parametrize(
    ("overrides", "settings", "kept"),
    [
        ({}, [], True),
        ({"seeds": 5, "methods": "fft,lora", "device": None}, ["repeat_disturbed=2"], True),
        ({"training.epochs": 100}, [], False),
        ({"datasets": ["bazaar:seed=1"]}, [], False),
        ({}, ["training.learning_rate_scale=1"], False),
        ({"training.epochs": 100}, ["note=Mine"], True),
    ],
)
def test_a_note_is_of_the_study_as_it_is_written(overrides: dict, settings: list[str], kept: bool) -> None:
    found = read_study("demo", overrides, settings)
    assert bool(found.note) is kept
    assert found.note == ("Mine" if "note=Mine" in settings else read_study("demo", {}, []).note if kept else "")


def test_the_demo_says_that_it_is_short_and_where_there_is_more() -> None:
    note = read_study(None, {}, []).note
    page = "reports/published/converged/report.md"
    assert note.startswith("A short run") and page in note and "\n" not in note
    assert (Path(__file__).parents[2] / page).is_file()
    assert "  " not in note
    assert read_study(None, {"datasets": ["bazaar:seed=1"]}, []).note == ""


@pytest.mark.parametrize(
    ("towers", "said"),
    [
        (BackboneChoice(text="micro", image="micro"), True),
        (BackboneChoice(text="minilm", image="micro", fingerprint=f"{'0' * 16}+069f8609fc00b22b"), True),
        (BackboneChoice(text="small", image=None, fingerprint="1d9da90f2c2ad3fc"), True),
        (BackboneChoice(text="micro", image="micro", weights="random"), False),
        (BackboneChoice(text="minilm", image=None, fingerprint="0" * 16), False),
    ],
)
def test_of_the_built_in_towers_every_head_says_what_may_be_their_doing(
    tmp_path: Path, make_record: Make, write_study: Write, undrawn: None, towers: BackboneChoice, said: bool
) -> None:
    study = write_study(tmp_path / "study", [make_record(method, backbones=towers) for method in ("fft", "lora")])
    for kind, head in heads(study).items():
        assert ("methods/micro/CARD.md" in head) is said, kind


def test_the_built_in_towers_are_known_by_their_weights() -> None:
    assert {BackboneSource(name, "micro", "pretrained").fingerprint()[:16] for name in ("text", "image")} == MICRO


def test_a_published_report_is_linked_from_pages_of_the_repository_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_ROOT", tmp_path / "repository")
    page, elsewhere = tmp_path / "repository" / "runs" / "demo", tmp_path / "elsewhere"
    plain = "A short run. See reports/published/converged/report.md \\| there."
    assert plain in render("x", [NOTE], [], page), "it is not there"
    report = tmp_path / "repository" / "reports" / "published" / "converged" / "report.md"
    report.parent.mkdir(parents=True)
    report.touch()
    link = "[reports/published/converged/report.md](../../reports/published/converged/report.md) \\| there."
    assert link in render("x", [NOTE], [], page)
    assert plain in render("x", [NOTE], [], elsewhere)
    assert published.linked("../reports/published/../x/report.md", page)[0][1] == ""
