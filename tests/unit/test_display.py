"""The live view of a run: whatever a cell is called, the time left stays on the line."""

import io
import re

import pytest
from rich.console import Console

from tpmebench.bench.console import Screen
from tpmebench.bench.running.display import Display

LONG = "iisan-cached (layers=every-second, bottleneck=256)"
TIMES = re.compile(r" \d:\d\d:\d\d (-:--:--|\d:\d\d:\d\d)\s*$")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, make_record):
    """The lines of the view on a terminal of so many columns, a cell and an epoch after the study began."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")

    def show(columns: int, label: str, earlier: str = "") -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        cell = make_record("iisan-cached").cell
        with Display(Screen(), earlier) as display:
            display.finish(display.start(1, 7, cell, label), make_record("iisan-cached"))
            view = display.start(2, 7, cell, label)
            epoch = {"event": "epoch", "number": 3, "of": 30, "loss": 4.2, "metric": "HR@10", "valid": 0.04}
            view.update({**epoch, "seconds": 3.2, "others": 2})
            assert display._live is not None
            lines = display._live.get_renderable()
        console = Console(width=columns, file=io.StringIO(), color_system=None)
        console.print(lines)
        return console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    return show


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("label", ["lora", LONG, "商店" * 40])
def test_time_left_stands_at_the_end_of_every_line(shown, columns: int, label: str):
    lines = shown(columns, label, "3 of 10 done earlier")
    assert len(lines) == 2
    assert all(TIMES.search(line) for line in lines), lines
    assert "2 of 7" in lines[0] and "[2/7]" in lines[1]


def test_what_was_done_earlier_is_said(shown):
    assert "2 of 7 (3 of 10 done earlier)" in shown(100, "lora", "3 of 10 done earlier")[0]
    assert "earlier" not in shown(100, "lora")[0]
