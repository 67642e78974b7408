"""What a shell may be offered for a word of the command line: names that are found without importing what they name."""

from collections.abc import Iterable
from pathlib import Path


def study(incomplete: str) -> list[str]:
    """Studies that ship, and files."""
    from ..study.shipped import names

    return _beginning(names(), incomplete) + _files(incomplete, ".toml")


def methods(incomplete: str) -> list[str]:
    """The last method of a list with commas."""
    from ...methods.registry import names

    return _last(["all", *names()], incomplete)


def dataset(incomplete: str) -> list[str]:
    """Sources, and folders with data of one's own."""
    from ...datasets.sources.registry import names

    return _beginning([name for name in names() if name != "folder"], incomplete) + _files(incomplete, ".toml")


def backbones(incomplete: str) -> list[str]:
    """Pairs of towers by name."""
    from ...methods.backbones.names import PAIRS

    return _beginning(PAIRS, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _last(names: Iterable[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _beginning(names, last)]


def _files(incomplete: str, suffix: str) -> list[str]:
    """Folders, each with a separator so that the shell goes on into it, and files of a kind."""
    typed = Path(incomplete)
    folder, start = (typed, "") if incomplete.endswith("/") else (typed.parent, typed.name if incomplete else "")
    try:
        found = sorted(each for each in folder.glob("[!.]*") if each.name.startswith(start))
    except OSError:
        return []
    return [f"{each}/" for each in found if each.is_dir()] + [str(each) for each in found if each.suffix == suffix]
