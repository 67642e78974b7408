"""The one list of tasks: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

from inspect import getdoc

from ...errors import BenchError, unknown
from ...outside import canonical_name, is_outside, load_named, offered, subclass_of
from .sequential import Sequential
from .task import Task

ENTRY_POINTS = "tpmebench.tasks"
_registered: dict[str, type[Task]] = {}


def register(name: str, task: type[Task]) -> type[Task]:
    """Makes a task known under a name; the first line of its docstring is its summary.

    BenchError when its primary metric is not one of its metrics, or another task has the name.
    """
    if task.primary not in [metric.name for metric in task.metrics]:
        raise BenchError(f"task '{name}': its primary metric {task.primary} is not one of its metrics; name it there")
    known = _registered.setdefault(name, task)
    if known.__qualname__ != task.__qualname__:
        raise BenchError(f"two tasks are called '{name}': {known.__module__}, {task.__module__}")
    task.name, task.summary = name, (getdoc(task) or "").split("\n", 1)[0]
    _registered[name] = task
    return task


register("sequential", Sequential)


def tasks() -> dict[str, type[Task]]:
    """Every registered task by name: ours, then those from entry points."""
    for name, found in offered("task", ENTRY_POINTS, _registered):
        register(name, subclass_of(Task, "task", name, found))
    return dict(_registered)


def find_task(name: str) -> type[Task]:
    """The class behind a registered name, `package.module:Class` or `./file.py:Class`.

    BenchError with a suggestion for a name that is nothing of these, and for code that does not load.
    """
    if canonical_name(name) == name:
        known = _registered if name in _registered else tasks()  # looking through entry points takes its time
        if name in known:
            return known[name]
        if not is_outside(name):
            raise unknown("task", name, list(known))
    named = canonical_name(name)
    return register(named, subclass_of(Task, "task", named, load_named("task", name)))
