"""What the README says is true: its commands are accepted, its targets and links exist, its tables are the records'."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from cells import is_kind

from tpmebench.bench.cli import app, main
from tpmebench.reports.readme import refresh
from tpmebench.reports.report import ReportOptions, write_report

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md")


def commands(page: str) -> list[str]:
    """The lines of a page's shell blocks, continued lines joined, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def said(prefix: str) -> list[str]:
    """Every command of the pages that begins like this."""
    return [line for page in PAGES for line in commands(page) if line.startswith(prefix)]


@pytest.mark.parametrize("line", said("bench "))
def test_every_command_is_one_that_the_program_takes(line: str):
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands"):
        assert words[0] in {option for parameter in command.params for option in parameter.opts}
    else:
        command.make_context(line, words)  # a misspelt or missing option raises


@pytest.mark.parametrize("line", said("bench run"))
def test_every_run_is_a_study_that_could_start(
    line: str, own_data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`shop` is the pages' name for data of one's own."""
    own_data()
    monkeypatch.chdir(tmp_path)
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


@pytest.mark.parametrize("page", [*PAGES, *(f"reports/published/{name}.md" for name in ("speed", "costs-on-a-card"))])
def test_every_link_into_the_project_leads_somewhere(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", text)
    missing = [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("page", "block"),
    [
        ("README.md", "main reports/published/demo"),
        ("reports/published/speed.md", "speed speed"),
        ("reports/published/costs-on-a-card.md", "main base-unique"),
        ("reports/published/costs-on-a-card.md", "main base-every-slot"),
    ],
)
def test_every_table_shown_is_the_one_that_its_records_give(page: str, block: str, undrawn: None):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- generated: {block} -->" in text
    assert refresh(text, (ROOT / page).parent) == text, "the records have changed: `make readme`"


@pytest.mark.parametrize("study", ["demo", "base-unique", "base-every-slot"])
def test_every_published_report_is_the_one_that_its_records_give(study: str, undrawn: None, tmp_path: Path):
    folder = ROOT / "reports" / "published" / study
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
