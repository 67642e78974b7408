"""GitHub's log: what a line means to a workflow, and how our own annotations are written."""

import os
import re
import sys
from typing import Literal

from ..errors import BenchError
from ..text import visible

# A runner takes a line that begins with `::`, after spaces, for a command of ours, and `##[` anywhere in a line.
_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\[)")


def inert(lines: str) -> str:
    r"""Lines for a log without any that a workflow would obey: `::error` is shown as `\x3a:error`."""
    return _OLD_COMMAND.sub(r"#\\x23", _COMMAND.sub(r"\1\\x3a", lines))


def annotation(
    severity: Literal["notice", "warning", "error"],
    message: str,
    *,
    title: str = "",
    file: str = "",
    line: int | None = None,
) -> str:
    """One line that GitHub shows beside the job, and beside a file when one is named. Print it as it is."""
    properties = {"title": title, "file": file, "line": line or ""}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    text = "%0A".join(_data(part) for part in message.splitlines())
    return f"::{severity} {given}::{text}" if given else f"::{severity}::{text}"


def in_workflow() -> bool:
    """Whether this runs in a workflow of GitHub's, which obeys annotations."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def add_to_summary(page: str) -> None:
    """Adds markdown to the job's summary, where there is one, unless standard output goes there already."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    try:
        with open(name, "a", encoding="utf-8", opener=_at_once) as file:
            if not _is_standard_output(file.fileno()):
                file.write(page + "\n")
    except OSError as error:
        raise BenchError(f"GITHUB_STEP_SUMMARY={name}: cannot be written ({error.strerror or error})") from error


def _at_once(name: str, flags: int) -> int:
    """Opens a file; a pipe that nobody reads is an error instead of a wait."""
    return os.open(name, flags | os.O_NONBLOCK, 0o666)


def _is_standard_output(number: int) -> bool:
    try:
        return os.path.samestat(os.fstat(number), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # closed, or no file
        return False


def _data(value: object) -> str:
    return visible(value).replace("%", "%25")


def _property(value: object) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
