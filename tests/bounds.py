"""What every property test demands of a reader: a result or one BenchError, at once and in little memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

from hypothesis import settings

from tpmebench.bench.meters.process import peak_rss, reset_peak_rss, rss
from tpmebench.errors import BenchError
from tpmebench.text import visible

SECONDS = 1.0
MEGABYTES = 64
MESSAGE = 2000
"""Characters: a line that a person still reads."""
_SOAK = 1000


@contextmanager
def bounded(names: str = "", seconds: float = SECONDS, megabytes: float = MEGABYTES) -> Iterator[None]:
    """Ends well, or in a BenchError, which it swallows, of one short line that names `names`; others go through.

    AssertionError when the block takes more of the processor's time, whatever else the machine does, or when resident
    memory (Python's, NumPy's and that of every library) rises further above where it stood, if only for a moment.
    """
    is_reset = reset_peak_rss()  # where the system cannot do it, time alone is held
    collecting = gc.isenabled()
    gc.disable()  # a full collection walks over all that other tests have left, for half of these seconds
    before, start = rss(), process_time()
    try:
        yield
    except BenchError as error:
        line = str(error)
        assert visible(line) == line and len(line) <= MESSAGE and names in line, line[: 2 * MESSAGE]
    finally:
        if collecting:
            gc.enable()
    took, grown = process_time() - start, (peak_rss() - before) / (1 << 20)
    assert took < seconds, f"{took:.2f} seconds"
    assert grown < megabytes or not is_reset, f"{grown:.0f} MB"


def examples(usual: int) -> int:
    """How many a property takes that costs more than others; in a soak as many as all."""
    of_all = settings.default.max_examples if settings.default else 0
    return of_all if of_all >= _SOAK else usual
