"""Measuring in turns with another process: a block of steps each, while the other rests.

Who gives the turns (`bench check --against`) listens on a socket that the variable TPMEBENCH_TURNS names. Before each
block a cell says `ready` and what a step of its last block took, waits for a core left out, and hears `go` with a
number of steps, or `end`.
"""

import os
import socket
from typing import IO

VARIABLE = "TPMEBENCH_TURNS"


class Turns:
    """A cell's end of it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    @classmethod
    def joined(cls) -> "Turns | None":
        """Those that this process is to take; None where it measures by itself."""
        address = os.environ.get(VARIABLE)
        if not address:
            return None
        line = socket.socket(socket.AF_UNIX)
        line.connect(address)
        return cls(line.makefile("rw", encoding="ascii"))

    def next(self, step_seconds: float) -> int:
        """Waits for its turn; gives the steps of its next block, 0 for none any more.

        ConnectionError when the other side came to grief and nobody measures any longer.
        """
        self._stream.write(f"ready {step_seconds:.9f}\n")
        self._stream.flush()
        word, _, steps = self._stream.readline().partition(" ")
        if not word:
            raise ConnectionError("the turns ended: the other side failed, or the comparison was stopped")
        return int(steps) if word == "go" else 0
