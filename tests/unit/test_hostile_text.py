"""A record full of text that means something elsewhere: every output shows it, and none of it is live."""

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hostile import BODY, LOG_COMMAND, STARTS, harmless, hostile_study, printable
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tpmebench.bench.cli import main
from tpmebench.bench.console import Screen
from tpmebench.reports import pages
from tpmebench.reports.analysis import comparison as frame
from tpmebench.reports.analysis import results
from tpmebench.reports.analysis.rows import told_apart
from tpmebench.reports.formats import export, html, latex, markdown
from tpmebench.reports.formats.terminal import summary_table
from tpmebench.reports.report import FORMATS, ReportOptions, write_report
from tpmebench.text import visible

MEANS_MUCH = st.text(st.sampled_from("#-+=*_~`[](){}<>!|\\&$:/.w1 2a%^'\"\n\r\t\x1b\u202e@"), max_size=25)
TEXTS = st.one_of(st.text(max_size=40), MEANS_MUCH, st.sampled_from([start + BODY for start in STARTS]))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make_record, write_study) -> Path:
    """Three methods of hostile names and a failure, with a report in every format; warnings are errors."""
    directory = tmp_path_factory.mktemp("study") / "runs[v2] ::error"
    method = hostile_study(directory, make_record)
    write_report([directory], ReportOptions(FORMATS, reference=visible(method)))
    return directory


def parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(page: str) -> list[Token]:
    return [part for token in parser().parse(page) for part in (token, *(token.children or []))]


def test_markdown_has_only_our_own_marks(study: Path) -> None:
    page = (study / "report.md").read_text(encoding="utf-8")
    found = tokens(page)
    ours = re.compile(r"</?u>|<br>|<details><summary>[\w ]+</summary>|</details>")
    for token in found:
        if token.type in ("html_inline", "html_block"):
            assert ours.fullmatch(token.content.strip()), token.content
        assert token.type not in ("link_open", "code_inline", "code_block", "fence", "s_open", "hr", "bullet_list_open")
        assert token.type not in ("ordered_list_open",)
        if token.type == "image":
            assert re.fullmatch(r"pictures/[\w-]+\.png", str(token.attrGet("src")))
    pictures = [token for token in found if token.type == "image"]
    assert len(pictures) >= 6 and len(pictures) == page.count("](pictures/")
    headings = [one.content for before, one in pairwise(found) if before.type == "heading_open"]
    assert sum(one in {"Accuracy", "Where time, memory and parameters go"} for one in headings) == 2
    assert not any(one.startswith("Heading") for one in headings)
    assert harmless(page)


def texts_of(page: str) -> str:
    """What a page shows as text."""
    return "".join(token.content for token in tokens(page) if token.type in ("text", "text_special"))


@given(TEXTS)
def test_markdown_shows_any_text_as_it_stands(text: str) -> None:
    shown, escaped = " ".join(visible(text).split()), markdown.escape(text)
    head = "| h |\n| --- |\n"
    for before, after in (
        ("", ""),
        ("# ", ""),
        ("**Note.** ", ""),
        (f"{head}| ", " |"),
        (f"{head}| **", "** |"),
        ("> ", ""),
    ):
        found = {token.type for token in tokens(f"{before}{escaped}{after}\n")}
        assert not found & {
            "link_open",
            "image",
            "html_inline",
            "html_block",
            "code_inline",
            "fence",
            "code_block",
            "em_open",
        }
        assert not found & {"bullet_list_open", "ordered_list_open", "hr", "s_open"}
        assert ("heading_open" in found) == (before == "# ")
        assert ("blockquote_open" in found) == (before == "> ")
        if before in ("", "# "):
            assert texts_of(f"{before}{escaped}\n") == shown
    table = tokens(f"| h | i |\n| --- | --- |\n| {escaped} | z |\n")
    cells = [inner.content for opened, inner in pairwise(table) if opened.type == "td_open"]
    assert len(cells) == 2 and cells[1] == "z", "no sign of the text's own begins another cell"
    alt = tokens(f"![{markdown.bracketed(text)}](pictures/x.png)\n")
    assert [token.attrGet("src") for token in alt if token.type == "image"] == ["pictures/x.png"]


class Page(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_html_has_only_our_own_tags(study: Path) -> None:
    text = (study / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not {tag for tag, _ in page.tags} & {"iframe", "object", "embed", "base", "form", "b"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert str(attributes.get("src") or "data:").startswith("data:")
        href = str(attributes.get("href") or "#")
        assert href.startswith(("#", "data:,", "records/", "pictures/")), href
        assert tag != "td" or set(attributes) == {"data-key", "data-value", "class"}
    assert printable(text)
    assert "&lt;script&gt;window.broken=2" in text


def test_a_link_to_a_record_is_a_path_whatever_its_folder_is_called(tmp_path: Path, make_record, write_study) -> None:
    directory = write_study(tmp_path / "javascript:alert(1)//#?%41", [make_record("fft"), make_record("lora")])
    page = pages.Page(frame.compare(results.load([directory]))[0], (), ())
    for link in html.links(page, tmp_path).values():
        assert link.startswith("javascript%3Aalert%281%29/%23%3F%2541/records/")


def test_tex_holds_no_command_of_the_data(study: Path) -> None:
    text = (study / "report.tex").read_text(encoding="utf-8")
    check_tex(text)
    for line in text.splitlines():
        assert line.startswith(("% ", "\\")) or line.endswith(r"\\") or not line, line[:80]


KNOWN = (
    "dag ddag begin end centering small setlength tabcolsep caption label toprule midrule bottomrule clearpage "
    "textbf underline textbackslash textasciitilde textasciicircum textless textgreater textbar textasciigrave "
    "pm Delta"
)


def check_tex(text: str) -> None:
    """Only the commands that we write, and no sign that means something by itself but those in them."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    commands = set(re.findall(r"\\([A-Za-z]+)", body))
    assert commands <= set(KNOWN.split()), commands - set(KNOWN.split())
    bare = re.sub(r"\\[A-Za-z]+|\\[&%$#_{}\\]|\$\\?(pm|Delta|-)?\$", "", body.replace(r"$\pm$", "").replace("$-$", ""))
    assert not set(bare) & set("#$%^~\\_|`"), sorted(set(bare) & set("#$%^~\\_|`"))
    assert printable(text)


@given(TEXTS)
def test_tex_shows_any_text_as_it_stands(text: str) -> None:
    escaped = latex.escape(text)
    check_tex(escaped)
    assert "\n" not in escaped
    assert escaped.count("{") - escaped.count("\\{") == escaped.count("}") - escaped.count("\\}")
    assert not escaped.startswith(("[", "*"))
    assert "--" not in latex.escape(text.replace("–", ""))


def test_csv_has_no_formula_and_a_line_a_row(study: Path) -> None:
    text = (study / "report.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    assert len(rows) == text.count("\n") == len(pd.read_parquet(study / "report.parquet")) + 1
    for value in {value for row in rows for value in row}:
        assert not value.lstrip().startswith(("=", "+", "-", "@", "\t")) or export.number(value), value[:40]
    assert any(value.startswith("'- item ") for row in rows for value in row)
    assert not LOG_COMMAND.search(re.sub(r"##\[", "", text))


@given(TEXTS)
def test_csv_keeps_numbers_and_marks_formulas(text: str) -> None:
    shown = export.cell(text)
    assert shown.removeprefix("'") == visible(text).removeprefix("'")
    assert export.number(shown) or not shown.lstrip().startswith(("=", "+", "-", "@"))


def test_numbers_stay_numbers_in_csv() -> None:
    for number in ("-0.5", "+3", "-1e9", "0.1", "ok", "", "a=b"):
        assert export.cell(number) == number
    assert export.cell("-1+2") == "'-1+2"


def test_pictures_are_whole_and_show_the_names(study: Path) -> None:
    shown = ""
    files = sorted((study / "pictures").glob("*.svg"))
    assert len(files) >= 6
    for file in files:
        root = ElementTree.fromstring(file.read_text(encoding="utf-8"))
        assert not {e.tag.rpartition("}")[2] for e in root.iter()} & {"script", "image", "a", "foreignObject"}
        shown += " ".join("".join(element.itertext()) for element in root.iter() if element.tag.endswith("text"))
    assert "# Heading fft" in shown
    assert " - item iisan-cached" in shown or "- item iisan-cached" in shown
    assert printable(shown)


@pytest.fixture
def shown(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """What a command prints of the study, after what holds of all that is printed does: `shown("compare")`."""

    def run(command: str) -> str:
        name, *flags = command.split()
        more = {"report": [f"{tmp_path}/a[/b]\n::error::x"], "compare": [str(study)]}
        more["check"] = ["--baseline", f"{tmp_path}/base[v2].json", "--update"]
        monkeypatch.setattr("sys.argv", ["bench", name, str(study), *more[name], *flags])
        with pytest.raises(SystemExit):
            main()
        printed = capsys.readouterr()
        assert harmless(printed.out) and harmless(printed.err)
        assert (printed.out + printed.err).strip()
        return printed.out

    return run


@pytest.mark.parametrize("command", ["report", "compare", "check"])
def test_the_command_prints_nothing_that_commands(shown: Callable[[str], str], command: str) -> None:
    shown(command)


def test_what_is_compared_for_programs_stays_whole(shown: Callable[[str], str]) -> None:
    content = json.loads(shown("compare --format json"))
    assert any("\x1b]0;title\x07" in finding["case"] for finding in content["findings"])
    root = ElementTree.fromstring(shown("compare --format junit"))
    assert {element.tag for element in root.iter()} <= {
        "testsuites",
        "testsuite",
        "testcase",
        "skipped",
        "failure",
        "system-out",
    }
    page = tokens(shown("compare --format markdown"))
    assert not {token.type for token in page} & {
        "link_open",
        "image",
        "html_inline",
        "html_block",
        "code_inline",
        "fence",
    }
    assert sum(token.type == "heading_open" for token in page) == 1


def test_names_that_would_look_alike_are_numbered() -> None:
    assert told_apart(["a\x1b", r"a\x1b", "a"]) == {"a\x1b": r"a\x1b", r"a\x1b": r"a\x1b [2]", "a": "a"}


def test_the_table_that_ends_a_run(study: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "3000")
    Screen().print(summary_table(results.load([study], [])))
    shown = capsys.readouterr().out
    assert harmless(shown)
    assert "[bold]b[/b][/red] :smile: " in shown
