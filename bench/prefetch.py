"""Makes the next things while the present one is used."""

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 2


def prefetch(source: Iterable[T]) -> Iterator[T]:
    """The items of `source`, at most two made ahead by a thread. An error in the source is raised here, in its turn."""
    ready: Queue[tuple[bool, T | BaseException | None]] = Queue(_AHEAD)
    stopped = Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                return ready.put(entry, timeout=0.1)
            except Full:
                continue

    def produce() -> None:
        try:
            for item in source:
                put((True, item))
                if stopped.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
