"""What counters say that was used between two moments: a card's (NVML), and those of a processor's packages (RAPL).

A counter counts all that its card or package does, idling and the work of others included. So how much others did is
told beside it: processes on the card, and the share of the machine's processor time that was not this process's.
Nothing is estimated: a counter that is not there, or may not be read, gives nothing, and `unread` says why.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from ...energy import CARD, PACKAGE, Energy
from . import cuda

POWERCAP = Path("/sys/class/powercap")

MOST_WATTS = 2000.0
"""More than any package draws: so it is known how soon its counter may start anew, which some do within minutes."""


class Unreadable(Exception):
    """A counter gives no number."""


class Counter(Protocol):
    """`read` gives joules since some moment, or raises Unreadable. `range`: after how many it starts anew, 0: never."""

    name: str
    range: float

    def read(self) -> float: ...


@dataclass
class Card:
    """A GPU's counter."""

    device: str
    name: str = CARD
    range: float = 0.0

    def read(self) -> float:
        joules = cuda.energy(self.device)
        if joules is None:
            why = "its driver does not say what it uses" if cuda.has_bindings() else "nvidia-ml-py is not installed"
            raise Unreadable(f"the {CARD}: {why}")
        return joules


@dataclass
class Package:
    """The counter of a processor's package, a folder of the kernel's power capping framework."""

    folder: Path
    name: str
    range: float

    def read(self) -> float:
        path = self.folder / "energy_uj"
        try:
            return int(path.read_text(encoding="ascii")) / 1e6
        except PermissionError as error:
            raise Unreadable(f"the processor: only root may read its counters ({_files(self.folder)})") from error
        except (OSError, ValueError) as error:
            raise Unreadable(f"the processor: its counters cannot be read ({_files(self.folder)})") from error


@dataclass
class _Tracked:
    """A counter, what it said last, and the joules since the start; None once it could not be read."""

    counter: Counter
    last: float
    spent: float | None = 0.0

    def advance(self) -> None:
        if self.spent is None:
            return
        try:
            now = self.counter.read()
        except Unreadable:
            self.spent = None
            return
        step = now - self.last
        if step < 0:
            step += self.counter.range
        self.spent, self.last = (None if step < 0 else self.spent + step), now


class EnergyMeter:
    """Joules between `start` and `stop` by counter: the card's of a GPU, and every package's.

        meter.start()
        …
        used = meter.stop()  # None where no counter is read

    `names`: the counters that are read; `unread`: why no others, a line each. The processor is known by all of its
    packages or not at all: when one could not be read in between, none of them is given. A counter that starts anew is
    followed by a thread, which reads it as often as it might.
    """

    def __init__(
        self,
        device: Any = "cpu",
        powercap: Path | None = POWERCAP,
        processor_seconds: Callable[[], float] | None = None,
    ) -> None:
        """`powercap`: where the packages' counters stand; None: they are not wanted."""
        self._device = str(device) if str(device).startswith("cuda") else None
        self._processor_seconds = processor_seconds or machine_seconds
        self.unread: list[str] = []
        self._counters = self._readable([Card(self._device)] if self._device else [])
        if powercap is not None:
            self._counters += self._packages(powercap)
        self._tracked: list[_Tracked] = []
        self._stopped: Event | None = None
        self._thread: Thread | None = None
        self._before = (0.0, 0.0)

    @property
    def names(self) -> list[str]:
        """The counters that are read."""
        return [counter.name for counter in self._counters]

    def start(self) -> None:
        """From here on."""
        self._end_thread()
        self._tracked = [_tracked(counter) for counter in self._counters]
        if not self._tracked:
            return
        self._before = (self._processor_seconds(), time.process_time())
        wrapping = [each for each in self._tracked if each.counter.range]
        if wrapping:
            self._stopped = Event()
            wait = min(each.counter.range for each in wrapping) / MOST_WATTS
            self._thread = Thread(target=_follow, args=(wrapping, wait, self._stopped), name="energy", daemon=True)
            self._thread.start()

    def stop(self) -> Energy | None:
        """What was used since `start`. May be asked again later, of a card alone."""
        self._end_thread()
        if not self._tracked:
            return None
        for each in self._tracked:
            each.advance()
        joules = {each.counter.name: each.spent for each in self._tracked}
        packages = [name for name in joules if name.startswith(PACKAGE)]
        if any(joules[name] is None for name in packages):
            joules |= dict.fromkeys(packages)
        known = {name: spent for name, spent in joules.items() if spent is not None}
        return Energy(joules=known, foreign=self._foreign() if packages else None, others=cuda.others(self._device))

    def _foreign(self) -> float:
        machine = self._processor_seconds() - self._before[0]
        own = time.process_time() - self._before[1]
        return min(1.0, max(0.0, machine - own) / machine) if machine > 0 else 0.0

    def _end_thread(self) -> None:
        if self._thread is not None and self._stopped is not None:
            self._stopped.set()
            self._thread.join()
        self._thread = self._stopped = None

    def _packages(self, powercap: Path) -> list[Counter]:
        """Those of all packages, `intel-rapl:0` as AMD's are called too; not of their parts, nor of the whole board."""
        found: dict[str, Counter] = {}
        try:
            for folder in sorted(powercap.glob("intel-rapl:*")):
                name = _text(folder / "name").lower()
                if re.fullmatch(rf"{PACKAGE}[a-z0-9-]{{0,30}}", name):
                    name = name if name not in found else f"{name}-{len(found)}"
                    found[name] = Package(folder, name, int(_text(folder / "max_energy_range_uj")) / 1e6)
        except (OSError, ValueError):
            found = {}
        if not found:
            self.unread.append("the processor: this system shows no counter of it")
        readable = self._readable(list(found.values()))
        return readable if len(readable) == len(found) else []

    def _readable(self, counters: Sequence[Counter]) -> list[Counter]:
        """Those that can be read; of a kind that cannot, why is said once."""
        readable = list[Counter]()
        for counter in counters:
            try:
                counter.read()
                readable.append(counter)
            except Unreadable as error:
                self.unread.append(str(error))
        self.unread = list(dict.fromkeys(self.unread))
        return readable


def _files(folder: Path) -> Path:
    return folder.with_name("intel-rapl:*") / "energy_uj"


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _tracked(counter: Counter) -> _Tracked:
    try:
        return _Tracked(counter, counter.read())
    except Unreadable:
        return _Tracked(counter, 0.0, None)


def _follow(tracked: list[_Tracked], seconds: float, stopped: Event) -> None:
    while not stopped.wait(seconds):
        for each in tracked:
            each.advance()


def machine_seconds() -> float:
    """Processor seconds that all processes of the machine have used since it started, those of other containers too."""
    import psutil

    times = psutil.cpu_times()._asdict()
    return sum(times.values()) - sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
