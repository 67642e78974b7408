"""Lines of `bench …` as help texts and pages show them, held against the command line that there is."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer.main

from tpmebench.bench.cli import app


def accept(line: str) -> None:
    """Reads a line's words as the command would, without running it: a misspelt or missing option raises."""
    command: Any = typer.main.get_command(app)
    words = [word for word in shlex.split(line.partition(" > ")[0])[1:] if word]
    while hasattr(command, "commands"):
        if not words:
            return
        if words[0].startswith("-"):
            assert words[0] in {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}
            return
        with command.make_context(line, [], resilient_parsing=True) as context:
            name, command, words = command.resolve_command(context, words)
            assert name and command, line
    command.make_context(line, list(words))


def commands(command: Any = None, above: str = "bench") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield above, command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{above} {name}")


def lines_of(block: str) -> list[str]:
    """The lines of a shell block, continued lines joined, without comments."""
    joined = block.replace("\\\n", " ").splitlines()
    return [re.split(r"\s#", line)[0].strip() for line in joined if line.strip() and not line.strip().startswith("#")]
