"""Where the time of a training epoch goes: data, forward, backward and update."""

from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol

Phase = Literal["data", "forward", "backward", "update"]
PHASES: tuple[Phase, ...] = ("data", "forward", "backward", "update")

# From so many unread steps on, those that the GPU has finished are read, so that events do not pile up.
_UNREAD_STEPS = 256


@dataclass
class EpochTimes:
    """Seconds of one epoch: its wall time, its phases, and each step from the end of the one before.

    What the phases leave of `total` is the harness's own: the loop, the meters' marks.
    """

    total: float = 0.0
    data: float = 0.0
    forward: float = 0.0
    backward: float = 0.0
    update: float = 0.0
    steps: list[float] = field(default_factory=list)


class Timeline(Protocol):
    """Marks points in time, and tells later how far apart two marks are."""

    def mark(self) -> Any: ...

    def seconds(self, start: Any, end: Any) -> float: ...

    def ready(self, mark: Any) -> bool:
        """Whether `seconds` up to this mark can be read without waiting."""
        ...

    def recycle(self, mark: Any) -> None:
        """Takes back a mark that nobody will read again."""
        ...

    def wait(self) -> None:
        """Returns when all that was started has ended."""
        ...


class CpuTimeline:
    """Marks are readings of `perf_counter`."""

    mark = staticmethod(perf_counter)

    def seconds(self, start: float, end: float) -> float:
        return end - start

    def ready(self, mark: float) -> bool:
        return True

    def recycle(self, mark: float) -> None:
        pass

    def wait(self) -> None:
        pass


class CudaTimeline:
    """Marks are CUDA events in the current stream: recording one does not wait for the GPU."""

    def __init__(self, device: Any) -> None:
        import torch

        self._cuda = torch.cuda
        self._device = torch.device(device)
        self._spare: list[Any] = []

    def mark(self) -> Any:
        event = self._spare.pop() if self._spare else self._cuda.Event(enable_timing=True)
        event.record(self._cuda.current_stream(self._device))
        return event

    def seconds(self, start: Any, end: Any) -> float:
        return start.elapsed_time(end) / 1000

    def ready(self, mark: Any) -> bool:
        return mark.query()

    def recycle(self, mark: Any) -> None:
        self._spare.append(mark)

    def wait(self) -> None:
        self._cuda.synchronize(self._device)


class _PhaseBlock:
    """The `with` block around a phase. A plain class, made once a phase: it runs at every step."""

    __slots__ = ("_clock", "_name", "_start")

    def __init__(self, name: Phase, clock: "PhaseClock") -> None:
        self._name: Phase = name
        self._clock = clock
        self._start: Any = None

    def __enter__(self) -> None:
        self._start = self._clock.timeline.mark()

    def __exit__(self, *_: object) -> None:
        clock = self._clock
        clock.marks.append((self._name, self._start, clock.timeline.mark()))


class PhaseClock:
    """Times the phases of training steps without waiting for the device in between.

    On a CPU by `perf_counter`; on CUDA by pairs of events, synchronised at the two ends of the epoch only.

        clock.start_epoch()
        for batch in batches:
            with clock.phase("forward"): ...
            clock.end_step()
        times = clock.end_epoch()
    """

    def __init__(self, device: Any = "cpu", timeline: Timeline | None = None) -> None:
        on_cuda = str(device).startswith("cuda")
        self.source: Literal["cuda-events", "perf-counter"] = "cuda-events" if on_cuda else "perf-counter"
        self.timeline: Timeline = timeline or (CudaTimeline(device) if on_cuda else CpuTimeline())
        self.marks: list[tuple[Phase, Any, Any]] = []
        self._phases = {name: _PhaseBlock(name, self) for name in PHASES}
        self._times = EpochTimes()
        self._unread: deque[tuple[Any, Any, list[tuple[Phase, Any, Any]]]] = deque()
        self._epoch_start: Any = None
        self._step_start: Any = None

    def start_epoch(self) -> None:
        """Waits for what runs, and starts the clock."""
        self._times = EpochTimes()
        self._unread.clear()
        self.timeline.wait()
        self.marks = []
        self._epoch_start = self._step_start = self.timeline.mark()

    def phase(self, name: Phase) -> _PhaseBlock:
        """A context that adds its duration to a phase of this step; phases do not nest."""
        return self._phases[name]

    def end_step(self) -> None:
        """Ends a step; the next one begins here."""
        end = self.timeline.mark()
        self._unread.append((self._step_start, end, self.marks))
        self._step_start = end
        self.marks = []
        if len(self._unread) > _UNREAD_STEPS:
            while self._unread and self.timeline.ready(self._unread[0][1]):
                self._read_step()

    def end_epoch(self) -> EpochTimes:
        """Waits for the last step and gives the epoch's times, in seconds."""
        end = self.timeline.mark()
        self.timeline.wait()
        while self._unread:
            self._read_step()
        self._add_phases(self.marks)
        self._times.total = self.timeline.seconds(self._epoch_start, end)
        return self._times

    def _read_step(self) -> None:
        start, end, marks = self._unread.popleft()
        self._add_phases(marks)
        self._times.steps.append(self.timeline.seconds(start, end))
        if start is not self._epoch_start:
            self.timeline.recycle(start)

    def _add_phases(self, marks: list[tuple[Phase, Any, Any]]) -> None:
        for name, start, end in marks:
            setattr(self._times, name, getattr(self._times, name) + self.timeline.seconds(start, end))
            self.timeline.recycle(start)
            self.timeline.recycle(end)
