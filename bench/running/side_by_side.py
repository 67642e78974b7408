"""Calls one after another or several at a time, and how all of them end when one must not go on."""

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Result = TypeVar("Result")


def results(calls: Sequence[Callable[[], Result]], jobs: int, stopping: threading.Event) -> Generator[Result]:
    """What the calls give as they end, no more than `jobs` of them at a time: in order when that is one.

    After Ctrl-C, or what a call raises, `stopping` is set for those that run, none begins, and it is raised here once
    they have ended. So it is when this is closed, as who takes the results must whatever happens to them.
    """
    if jobs == 1:  # in this thread, which hears Ctrl-C itself
        for call in calls:
            yield call()
        return
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for ended in as_completed([pool.submit(call) for call in calls]):
                yield ended.result()
        except BaseException:
            stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
