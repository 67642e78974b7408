"""Lets the cells of two sides, alive at the same time, take blocks of steps in turns: A B B A A B B A …

Each block lasts half a second or so, so that what else the machine does meets both sides alike.
"""

import math
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .side import Side

BLOCK_SECONDS, WARM_STEPS, MOST_STEPS = 0.5, 4, 1000


@dataclass(frozen=True)
class Length:
    """How many blocks of each side count, the warm-up apart: at least, at most, and until how many seconds of work of
    both, which waits for a core are no part of.
    """

    least: int = 4
    most: int = 24
    seconds: float = 12.0


def order(rounds: int, first: int) -> Iterator[int]:
    """Whose turn it is, 0 or 1, in each of some rounds: A B B A …, beginning with `first`."""
    for number in range(rounds):
        begins = (first + number) % 2
        yield from (begins, 1 - begins)


@dataclass
class _Cell:
    """A side's cell: its socket for turns, once it has joined, whether it waits for one, and its side's answer."""

    side: Side
    listener: socket.socket
    stream: socket.socket | None = None
    waits: bool = False
    step_seconds: float = 0.0
    answer: dict[str, Any] | None = None
    heard: bytes = b""

    def say(self, words: str) -> None:
        assert self.stream is not None
        self.waits = False
        self.stream.sendall(f"{words}\n".encode())

    def leave(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        self.waits = False


@dataclass
class _Game:
    """Two cells at it. `rounds`: those that were begun; `turns`: who is still to have a turn in the current one."""

    cells: Sequence[_Cell]
    first: int
    length: Length
    rounds: int = 0
    turns: list[int] = field(default_factory=list)
    steps: int = WARM_STEPS
    worked: float = 0.0
    ended: bool = False

    def go_on(self) -> None:
        """Gives the next turn when both wait; ends it when there have been enough."""
        if self.ended or not all(cell.waits for cell in self.cells):
            return
        if not self.turns:
            if self.rounds > 1:
                self.worked += self.steps * sum(cell.step_seconds for cell in self.cells)
            if self._enough():
                self.ended = True
                for cell in self.cells:
                    cell.say("end")
                return
            if self.rounds:
                self.steps = steps_of_a_block(min(cell.step_seconds for cell in self.cells))
            self.turns = list(order(self.rounds + 1, self.first))[-2:]
            self.rounds += 1
        self.cells[self.turns.pop(0)].say(f"go {self.steps}")

    def _enough(self) -> bool:
        counted = self.rounds - 1
        if counted < self.length.least:
            return False
        return counted >= self.length.most or self.worked >= self.length.seconds


def steps_of_a_block(step_seconds: float) -> int:
    """So many steps as take half a second."""
    return max(1, min(MOST_STEPS, math.ceil(BLOCK_SECONDS / max(step_seconds, 1e-9))))


def play(sides: Sequence[Side], asks: Sequence[Mapping[str, Any]], first: int, length: Length) -> list[dict[str, Any]]:
    """Runs a cell of each side, both in turns from the first step on, and gives the sides' answers.

    When one comes to its end before the other's turns are over, because it failed, the other is stopped.
    """
    with selectors.DefaultSelector() as selector:
        cells = [_Cell(side, _listen(side.turns)) for side in sides]
        game = _Game(cells, first, length)
        try:
            for cell, ask in zip(cells, asks, strict=True):
                selector.register(cell.listener, selectors.EVENT_READ, (cell, _joins))
                selector.register(cell.side.answers, selectors.EVENT_READ, (cell, _answers))
                cell.side.ask(ask, cell.side.turns)
            while any(cell.answer is None for cell in cells):
                for key, _ in selector.select():
                    cell, heard = key.data
                    heard(cell, selector)
                if not game.ended and any(cell.answer is not None for cell in cells):
                    for cell in cells:
                        _drop(cell, selector)
                game.go_on()
        finally:
            for cell in cells:
                cell.leave()
                cell.listener.close()
                (cell.side.turns).unlink(missing_ok=True)
    return [cell.answer or {} for cell in cells]


Heard = Callable[[_Cell, selectors.BaseSelector], None]


def _joins(cell: _Cell, selector: selectors.BaseSelector) -> None:
    stream, _ = cell.listener.accept()
    if cell.stream is not None:
        stream.close()  # a cell has one
        return
    cell.stream = stream
    selector.register(stream, selectors.EVENT_READ, (cell, _speaks))


def _speaks(cell: _Cell, selector: selectors.BaseSelector) -> None:
    if cell.stream is None:
        return
    try:
        heard = cell.stream.recv(4096)
    except ConnectionError:
        heard = b""
    if not heard:
        _drop(cell, selector)
        return
    cell.heard += heard
    *lines, cell.heard = cell.heard.split(b"\n")
    for line in lines:
        cell.step_seconds, cell.waits = float(line.split()[1]), True


def _answers(cell: _Cell, selector: selectors.BaseSelector) -> None:
    cell.answer = cell.side.answer()


def _drop(cell: _Cell, selector: selectors.BaseSelector) -> None:
    if cell.stream is not None:
        selector.unregister(cell.stream)
        cell.leave()


def _listen(address: Path) -> socket.socket:
    address.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    return listener
