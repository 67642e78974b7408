"""The one list of tasks: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

from typing import TYPE_CHECKING

from ...cell import SEQUENTIAL
from ...errors import BenchError
from ...outside import Registry, subclass_of

if TYPE_CHECKING:
    from .task import Task

ENTRY_POINTS = "tpmebench.tasks"
_BUILT_IN = {SEQUENTIAL: f"{__package__}.sequential"}


def register(name: str, task: "type[Task]") -> "type[Task]":
    """Makes a task known under a name; the first line of its docstring is its summary.

    BenchError when its primary metric is not one of its metrics, or another task has the name.
    """
    if task.primary not in [metric.name for metric in task.metrics]:
        raise BenchError(f"task '{name}': its primary metric {task.primary} is not one of its metrics; name it there")
    _registry.add(name, task)
    return task


def tasks() -> "dict[str, type[Task]]":
    """Every registered task by name: ours, then those from entry points."""
    return _registry.all()


def check_task(name: str) -> None:
    """BenchError for a name that no task has; nothing is imported for it."""
    _registry.check(name)


def find_task(name: str) -> "type[Task]":
    """The class behind a name; BenchError as `Registry.find` says."""
    return _registry.find(name)


def _adopt(name: str, found: object) -> "type[Task]":
    from .task import Task

    task = subclass_of(Task, "task", name, found)
    return task if "name" in vars(task) else register(name, task)  # a name that is inherited is the parent's


_registry: "Registry[type[Task]]" = Registry("task", ENTRY_POINTS, _BUILT_IN, _adopt)
