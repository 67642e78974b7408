"""What the user sees while a study runs: a live view on a terminal, plain lines anywhere else."""

import time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from ...cell import Cell
from ...reports.analysis.epochs import MARKED, SIGN, mean_epoch
from ...reports.records import Record
from ...text import visible
from ..console import Screen


class _Cut(TextColumn):
    """Text that is cut where a line has no room for it, so that the times behind it have."""

    def __init__(self, text: str) -> None:
        super().__init__(text, markup=False, table_column=Column(no_wrap=False))

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.plain = visible(text.plain)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


class Display:
    """Shows cells, epochs and the time left; `earlier` says what of the study was done before."""

    def __init__(self, console: Screen, earlier: str = "") -> None:
        self._console = console
        self._earlier = f" ({earlier})" if earlier else ""
        self._live: Progress | None = None
        self._cells: TaskID | None = None

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live = Progress(
                _Cut("{task.description}"),
                BarColumn(bar_width=10),
                _Cut("{task.fields[detail]}"),
                TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
                TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
                console=self._console,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: str) -> None:
        """What is no cell's."""
        self._console.say(line)

    def start(self, number: int, total: int, cell: Cell, label: str = "") -> "CellView":
        """A cell begins; `label` tells its method from other variants of it."""
        if self._live is not None:
            if self._cells is None:
                self._cells = self._live.add_task("cells", total=total, detail="")
            self._live.update(self._cells, detail=f"{number} of {total}{self._earlier}")
        return CellView(self._console, self._live, f"[{number}/{total}] {describe(cell, label)}")

    def finish(self, view: "CellView", record: Record, log: Path | None = None) -> None:
        """A cell is done, well or not; `log` holds what was printed in it."""
        view.finish(record, log)
        if self._live and self._cells is not None:
            self._live.advance(self._cells)


class CellView:
    """What the user sees of one cell: its line in the live view, or lines of its own under its name."""

    def __init__(self, console: Screen, live: Progress | None, name: str) -> None:
        self._console = console
        self._live = live
        self._name = name
        self._began = time.monotonic()
        self._steps = live.add_task(name, total=None, detail="starting") if live else None
        if live is None:
            self._print("started")

    def update(self, event: dict[str, Any]) -> None:
        """The cell tells of its progress."""
        if event["event"] == "epoch":
            text = (
                f"epoch {event['number']}/{event['of']}  loss {event['loss']:.4f}"
                f"  valid {event['metric']} {event['valid']:.4f}  {event['seconds']:.2f} s"
            )
            self._show(text + _sign(event), event["number"], event["of"])
            if self._live and _sign(event):
                self._print(f"epoch {event['number']}{_sign(event)}")  # the live line does not stay
        elif event["event"] == "disturbed":
            self._print(f"epoch {event['number']}{_sign(event)}; running it again")
        elif event["event"] == "warning":
            self._print(f"warning: {event['message']}")
        elif event["event"] == "phase":
            text = f"{event['name']} {event['done']}/{event['total']}" if event["total"] else event["name"]
            # Without a live view a line for each step of a long build would drown the rest.
            if self._live or event["done"] in (0, event["total"]):
                self._show(text, event["done"], event["total"] or None)

    def finish(self, record: Record, log: Path | None = None) -> None:
        """The cell is done; its line in the live view goes."""
        seconds = time.monotonic() - self._began
        if record.status == "ok" and record.accuracy is not None:
            name = record.primary_metric
            outcome = f"ok  {name} {record.accuracy.test.metrics[name]:.4f}"
        elif record.status == "ok":  # the costs alone
            seconds_an_epoch = mean_epoch(record, lambda epoch: epoch.total)
            outcome = "ok  no T: disturbed" if seconds_an_epoch is None else f"ok  T {seconds_an_epoch:.3g} s"
        else:
            outcome = f"{record.status}: {record.error}" + (f" [log: {log}]" if log and log.exists() else "")
        self._print(f"{outcome}  ({seconds:.1f} s)")
        if self._live and self._steps is not None:
            self._live.remove_task(self._steps)

    def _show(self, text: str, done: int, total: int | None) -> None:
        if self._live and self._steps is not None:
            self._live.update(self._steps, completed=done, total=total, detail=text)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        self._console.say(f"{self._name}: {text}")


def _sign(event: dict[str, Any]) -> str:
    """What disturbed an epoch, marked; "" when nothing did."""
    lost, others = event.get("lost", 0.0), event.get("others", 0)
    causes = [f"{lost:.0%} lost to waiting for a core"] if lost > MARKED else []
    causes += [f"{others} other process(es) on the GPU"] if others else []
    return f"  {SIGN} {', '.join(causes)}" if causes else ""


def describe(cell: Cell, label: str = "") -> str:
    """A cell in a few words, its method under its own name or as `label` tells it."""
    parts = [label or cell.method, f"on {cell.dataset}"]
    if cell.modalities != "both":
        parts.append(f"({cell.modalities} only)")
    parts.append(f"seed {cell.seed}")
    if cell.repeat:
        parts.append(f"repeat {cell.repeat}")
    return " ".join(parts)
