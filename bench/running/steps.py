"""Steps of a command that is no study: a line that lives on a terminal with the time left, plain lines elsewhere."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..console import Screen


class Steps:
    """Shows one step after another; `tell` takes its name, what is done of it, and how much there is (0: unknown)."""

    def __init__(self, console: Screen) -> None:
        self._console, self._now = console, ""
        self._live = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("", total=None)

    def __enter__(self) -> "Steps":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, name: str, done: int, total: int) -> None:
        """A step begins or goes on."""
        if name != self._now:
            self._now = name
            self._live.reset(self._task, description=name, total=total or None)
            if not self._console.is_terminal:
                self._console.say(f"{name} …")
        self._live.update(self._task, completed=done, total=total or None)
