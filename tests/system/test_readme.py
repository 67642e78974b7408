"""What README and pages say is true: commands are accepted and could start, targets exist, tables are the records'."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from cells import is_kind
from command_lines import accept, lines_of
from typer.testing import CliRunner

from tpmebench.bench.cli import app, main
from tpmebench.reports.readme import refresh
from tpmebench.reports.report import ReportOptions, write_report

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "published"
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))


def commands(page: str) -> list[str]:
    """The lines of a page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return lines_of("\n".join(blocks))


def said(prefix: str) -> list[str]:
    """Every command of the pages that begins like this, once."""
    lines = [line for page in PAGES for line in commands(page) if line.startswith(prefix)]
    return list(dict.fromkeys(lines))


@pytest.mark.parametrize("line", said("bench "))
def test_every_command_is_one_that_the_program_takes(line: str):
    accept(line)


@pytest.mark.parametrize("line", said("bench run"))
def test_every_run_is_a_study_that_could_start(
    line: str, own_data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`shop` is the pages' name for data of one's own; what they let `bench new` write is there, too."""
    own_data()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    for start in said("bench new"):
        if "dataset" not in start:
            assert CliRunner().invoke(app, shlex.split(start)[1:]).exit_code == 0
    if "shop-5core" in line:  # of a shop so small that no core of it is left
        assert CliRunner().invoke(app, ["data", "prepare", "./shop", "--out", "shop-5core"]).exit_code == 0
    if "--from" in line:
        monkeypatch.chdir(ROOT)  # where the published records stand
    monkeypatch.setattr("sys.argv", [*shlex.split(line), "--dry-run"])
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
    assert ("left out" if "--only-failed" in line else "to run") in capsys.readouterr().out


@pytest.mark.parametrize("line", said("bench list") + said("bench --version"))
def test_every_listing_works(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("line", said("make "))
def test_every_target_is_in_the_makefile(line: str):
    assert re.search(rf"^{re.escape(line.split()[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "block"),
    [
        ("README.md", "main reports/published/demo"),
        ("README.md", "main reports/published/converged"),
        ("README.md", "main reports/published/movielens"),
        ("reports/published/speed.md", "speed speed"),
        ("reports/published/speed.md", "scale speed/scale.json"),
        ("reports/published/speed.md", "kept speed/cached-epoch.json"),
        ("reports/published/speed.md", "kept speed/cold-cache.json"),
        ("reports/published/costs-on-a-card.md", "main base-unique"),
        ("reports/published/costs-on-a-card.md", "main base-every-slot"),
        ("reports/published/costs-on-a-card.md", "planned base-every-slot"),
        ("reports/published/plan-paper.md", "beside-paper plan-paper"),
    ],
)
def test_every_table_shown_is_the_one_that_its_records_give(page: str, block: str, undrawn: None):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- generated: {block} -->" in text
    assert refresh(text, (ROOT / page).parent) == text, "the records have changed: `make readme`"


@pytest.mark.parametrize("study", sorted(page.parent.name for page in PUBLISHED.glob("*/report.md")))
def test_every_published_report_is_the_one_that_its_records_give(study: str, undrawn: None, tmp_path: Path):
    folder = PUBLISHED / study
    write_report([folder], ReportOptions(output=tmp_path / "report"))
    published = (folder / "report.md").read_text(encoding="utf-8")
    published = re.sub(
        r"\[(reports/published/[^]]+)\]\([^)]+\)", r"\1", published
    )  # no link leads there from elsewhere
    assert (tmp_path / "report" / "report.md").read_text(encoding="utf-8") == re.sub(
        r"\n!\[.*\]\(pictures/.*\)\n\n\*.*\*\n", "", published
    ), f"make it anew: `bench report reports/published/{study}`"


def test_every_method_has_a_row_in_the_readme():
    from tpmebench.methods.registry import methods
    from tpmebench.outside import is_outside

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    own = [name for name in methods() if not is_outside(name)]  # other tests bring methods
    own = [name for name in own if not is_kind(name)]  # which stand in docs/methods.md
    assert not [name for name in own if not re.search(rf"^\| `{re.escape(name)}`", text, re.MULTILINE)]
