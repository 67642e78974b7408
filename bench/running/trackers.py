"""Trackers: what is told of every record as soon as its cell has come to its end.

Built in, from entry points, or named as `package.module:Class` or `./file.py:Class`: a study's `trackers` names them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from ...errors import BenchError
from ...outside import Registry, subclass_of
from ...reports.records import Record
from ...text import visible

ENTRY_POINTS = "tpmebench.trackers"
_BUILT_IN = {"mlflow": f"{__package__}.mlflow_tracker"}


class Tracker(ABC):
    """Takes finished records elsewhere. One is made, without arguments, before the first cell of a study begins.

    `name` and `summary`, its docstring's first line, are set when it is registered. A BenchError while it is made says
    what the user has to mend. Whatever else it raises is a warning, and costs the study nothing but the time it took:
    between two cells nothing is measured.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    @abstractmethod
    def record(self, record: Record) -> None:
        """Takes one record, of a cell that ended well or failed. It stands on disk already."""


def register(name: str, tracker: type[Tracker]) -> type[Tracker]:
    """Makes a tracker known under a name. BenchError when another has it."""
    _registry.add(name, tracker)
    return tracker


def trackers() -> dict[str, type[Tracker]]:
    """Every registered tracker by name: ours, then those from entry points."""
    return _registry.all()


def check_tracker(name: str) -> None:
    """BenchError for a name that no tracker has; nothing is imported for it."""
    _registry.check(name)


def find_tracker(name: str) -> type[Tracker]:
    """The class behind a name; BenchError as `Registry.find` says."""
    return _registry.find(name)


class Told:
    """The trackers that a study names, each told of every record. `warn` takes a line for one that fails.

    BenchError for a name that stands for no tracker, and for one that cannot work as things are.
    """

    def __init__(self, names: Sequence[str], warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._trackers: dict[str, Tracker] = {}
        for name in names:
            found = find_tracker(name)
            try:
                self._trackers[found.name] = found()
            except BenchError:
                raise
            except (Exception, SystemExit) as error:  # whatever code from outside may raise
                warn(f"tracker '{found.name}' cannot begin and is told of nothing: {_cause(error)}")

    def record(self, record: Record) -> None:
        """Tells all of them, each of a copy of its own; one that fails hinders neither the others nor the study."""
        for name, tracker in self._trackers.items():
            try:
                tracker.record(record.model_copy(deep=True))
            except (Exception, SystemExit) as error:
                self._warn(f"tracker '{name}' has not taken the record {record.cell_id}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    text = " ".join(visible(line) for line in str(error).splitlines()[:3])[:300]
    return text if isinstance(error, BenchError) else f"{type(error).__name__}: {text}".rstrip(": ")


def _adopt(name: str, found: object) -> type[Tracker]:
    tracker = subclass_of(Tracker, "tracker", name, found)
    return tracker if "name" in vars(tracker) else register(name, tracker)  # a name that is inherited is the parent's


_registry = Registry[type[Tracker]]("tracker", ENTRY_POINTS, _BUILT_IN, _adopt)
