"""What reaches a terminal or a log: text as it stands, and no character or line that commands anything."""

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.bench import github
from tpmebench.bench.console import Screen, forgive_encodings
from tpmebench.bench.guard import findings
from tpmebench.bench.running.display import Display
from tpmebench.reports.formats.grid import Grid
from tpmebench.text import visible

HOSTILE = "a[/b] [red]x[/] :smile: \x1b]0;title\x07\x1b[31m\r\n::error file=x::forged\u202e\u2028\x85\udcff ##[error]y"
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eighty columns, whatever the tests are started from or left behind."""
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


class Log:
    """What was printed since it was last asked."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self) -> str:
        return self._capture.readouterr().out


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(capsys)


def harmless(shown: str) -> bool:
    return not COMMAND.search(shown) and all(sign.isprintable() or sign == "\n" for sign in shown)


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert not any("\0" <= sign < " " or "\x7f" <= sign < "\xa0" for sign in shown)
    assert visible(shown) == shown


def test_what_is_plain_stays_as_it_is() -> None:
    for text in ("runs[v2]", r"C:\new", "商店 é 👩\u200d🔧", "", "100 %"):
        assert visible(text) == text
    assert visible("a\n\tb\x1b\u202e\U000e0001") == r"a\n\tb\x1b\u202e\U000e0001"


def test_a_line_shows_brackets_and_nothing_that_moves(log: Log) -> None:
    Screen().say("report: runs[v2]/" + "long/" * 40 + "report.md")
    assert log() == "report: runs[v2]/" + "long/" * 40 + "report.md\n"
    Screen().say(HOSTILE)
    shown = log()
    assert "a[/b] [red]x[/] :smile: " in shown
    assert r"\x1b]0;title\x07\x1b[31m\r\n::error" in shown
    assert harmless(shown)


def test_a_table_shows_what_it_was_given(log: Log) -> None:
    for fold in (False, True):
        table = Grid("a[b]", HOSTILE, title=HOSTILE, caption=HOSTILE, fold=fold)
        table.add_row("::error::forged", "[bold]runs[v2][/bold]")
        table.add_row(HOSTILE, "[/]")
        Screen().print(table)
    found = [findings.Finding(HOSTILE, "[/x]", "worse", why=HOSTILE)]
    Screen().print(findings.Outcome("t [v2]", found).table())
    shown = log()
    for text in ("[bold]runs[v2][/bold]", "a[b]", "t [v2]", "[/x]"):
        assert text in shown
    assert harmless(shown)


def test_no_break_of_a_long_line_makes_a_command(log: Log) -> None:
    screen = Screen()
    for before in range(60, 90):
        screen.print("x" * before + " ::error::forged")
    shown = log()
    assert harmless(shown)
    assert r"\x3a:error::forged" in shown


def test_progress_shows_names_as_they_are(log: Log, monkeypatch, make_record) -> None:
    record = make_record("lora", status="crashed", dataset="shop[v2]\n::error::x").model_copy(update={"error": HOSTILE})
    for terminal in (False, True):
        monkeypatch.setenv("TTY_COMPATIBLE", str(int(terminal)))
        with Display(Screen()) as display:
            view = display.start(1, 1, record.cell)
            view.update({"event": "phase", "name": HOSTILE, "done": 0, "total": 0})
            display.finish(view, record)
        shown = log()
        assert r"lora on shop[v2]\n::error::x" in shown
        assert "\x1b]0;" not in shown
        assert terminal or harmless(shown)


def test_an_encoding_that_lacks_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "cp1252"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
        forgive_encodings()
        table = Grid("name", title="商店")
        table.add_row("商")
        Screen().print(table)
        sys.stdout.flush()
        assert rb"\u5546\u5e97" in raw.getvalue()


@given(st.text(), st.text())
def test_an_annotation_is_one_command(message: str, title: str) -> None:
    line = github.annotation("error", message, title=title, file="a,b:c", line=3)
    assert len(line.splitlines()) == 1
    properties, text = re.fullmatch(r"::error ([^:]*)::(.*)", line).groups()  # type: ignore[union-attr]
    assert properties.count(",") == (2 if title else 1)
    assert github.inert(line).startswith(r"\x3a:error")
    assert "%" not in re.sub("%(25|0A|0D|3A|2C)", "", text)


def test_an_annotation_says_what_it_was_told() -> None:
    assert github.annotation("warning", "5 % more\nin all") == "::warning::5 %25 more%0Ain all"
    assert github.annotation("notice", "x", title="T, M: now") == "::notice title=T%2C M%3A now::x"
