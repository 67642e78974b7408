"""The one exception for everything that a user can cause and can mend."""

from difflib import get_close_matches


class BenchError(Exception):
    """A mistake in a command, a study, a dataset or a model folder.

    The message names the culprit (file, line, option) and the remedy in one line. The command prints it without a
    traceback and exits with status 2.
    """


def unknown(kind: str, name: str, known: list[str]) -> BenchError:
    """The error for a name that is not among `known`, with the nearest one as a suggestion."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"choose from: {', '.join(known)}"
    return BenchError(f"unknown {kind} '{name}': {hint}")
