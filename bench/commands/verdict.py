"""How `check` and `compare` print what they found."""

import os
import sys
from typing import TYPE_CHECKING

from ..console import Screen
from .arguments import Form

if TYPE_CHECKING:
    from ..guard.findings import Outcome

_LOG_WIDTH = 180


def print_outcome(outcome: "Outcome", form: Form) -> None:
    """Prints it; in a workflow of GitHub's the job's summary and annotations as well."""
    from ..github import add_to_summary, in_workflow

    screen = Screen()
    if form == "table":
        # Where nobody looks, as in a job's log, a table need not be squeezed into the width of a terminal.
        if not screen.is_terminal and "COLUMNS" not in os.environ:
            screen.width = _LOG_WIDTH
        if outcome.rows:
            screen.print(outcome.table())
        else:
            screen.say(outcome.title)
        for note in outcome.notes:
            screen.say(note)
    else:
        screen.file.write(outcome.render(form) + "\n")
    if in_workflow():
        sys.stdout.flush()
        sys.stderr.writelines(f"{line}\n" for line in outcome.annotations())
    add_to_summary(outcome.markdown())
