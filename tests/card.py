"""A stand-in for a card, on a machine that has none: what lies on it says `cuda:0` and meets nothing that does not.

    with card() as found:
        trainer = Trainer(assemble(cell_on_cuda))  # the code that a card would run, with all that asks for "cuda"
        trainer.epoch(0)
    found.waits  # what made the host wait for the card

Tensors on it compute with the CPU's kernels. Not simulated: autocast, the kernels' own choices, streams beside the
current one. Source of the idea: torch._subclasses.fake_tensor, whose tensors hold no numbers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tpmebench.bench.worker import prefetch

aten: Any = torch.ops.aten
CARD, HOST = torch.device("cuda", 0), torch.device("cpu")

_ACROSS = {aten.copy_.default}
"""What may read of one side and write to the other."""
_WAITS = {
    aten._local_scalar_dense.default,
    aten.equal.default,
    aten.masked_select.default,
    aten.nonzero.default,
    aten.unique_consecutive.default,
    aten._unique2.default,
}
"""What gives the host a number, or a tensor of a size, that only the card knows."""


class WrongDevice(RuntimeError):
    """Tensors of the two sides met, as no kernel of a card would have it."""


class OnCard(torch.Tensor):
    """To torch's own code a meta tensor, so that its autograd needs no card. Its numbers are `held` on the CPU.

    `late`: gives them once they are needed, no sooner: a copy that is still under way.
    """

    _held: torch.Tensor
    _late: Callable[[], torch.Tensor] | None
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    device = property(lambda self: CARD)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_meta = property(lambda self: False)  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: torch.Tensor, late: Callable[[], torch.Tensor] | None = None) -> "OnCard":
        like = torch.empty_strided(held.size(), held.stride(), dtype=held.dtype, device="meta")
        made = torch.Tensor._make_subclass(cls, like)
        made._held, made._late = held, late
        return made

    def __init__(self, *_: Any) -> None:
        super().__init__()

    @property
    def held(self) -> torch.Tensor:
        if self._late is not None:
            self._held, self._late = self._late(), None
        return self._held

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnCard({self._held})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _FOUND[-1].run(func, args, kwargs or {})


class Event:
    """A CUDA event: it says how far it is from another once both have ended, which the host must have waited for."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.timed, self.at, self.ended = enable_timing, None, False

    def record(self, stream: Any = None) -> None:
        self.at, self.ended = time.perf_counter(), False
        _FOUND[-1].running.append(self)

    def query(self) -> bool:
        return self.ended

    def elapsed_time(self, end: "Event") -> float:
        assert self.timed and end.timed, "both events must be made with enable_timing"
        assert self.at is not None and end.at is not None, "both events must be recorded"
        assert self.ended and end.ended, "both events must have ended: the host did not wait for them"
        return 1000 * (end.at - self.at)


@dataclass
class Card:
    """What was seen on the card. `waits`: operations that made the host wait for all of its work. `copies`: of each
    copy to it, whether it was from pinned memory and without waiting. `running`: events that have not ended.
    """

    waits: list[str] = field(default_factory=list)
    copies: list[tuple[bool, bool]] = field(default_factory=list)
    running: list[Event] = field(default_factory=list)
    generator: torch.Generator = field(default_factory=torch.Generator)
    synchronised: int = 0
    peak_resets: int = 0

    def forget(self) -> None:
        """From here on."""
        self.waits.clear()
        self.copies.clear()
        self.synchronised = 0

    def synchronize(self, device: Any = None) -> None:
        assert device is None or torch.device(device).type == "cuda"
        self.synchronised += 1
        for event in self.running:
            event.ended = True
        self.running.clear()

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """An operation, where its tensors lie; WrongDevice if they lie on both sides."""
        tensors = [*_tensors(args), *_tensors(kwargs.values())]
        there = [tensor for tensor in tensors if isinstance(tensor, OnCard)]
        if func is aten._to_copy.default:
            return self._moved(args[0], kwargs)
        if func in (aten.is_pinned.default, aten._pin_memory.default) and not there:
            return _pinned(func, args[0])
        if there and len(there) < len(tensors) and func not in _ACROSS:
            _check_strays(func, [tensor for tensor in tensors if not isinstance(tensor, OnCard)])
        if there and (func in _WAITS or (func is aten.index.Tensor and any(t.dtype is torch.bool for t in there[1:]))):
            self.waits.append(str(func))
        asked = kwargs.get("device")
        on_card = bool(there) if asked is None else torch.device(asked).type in ("cuda", "meta")
        if on_card and torch.Tag.nondeterministic_seeded in func.tags and _takes_generator(func):
            kwargs = {"generator": self.generator, **kwargs}
        return _called(func, args, kwargs, on_card)

    def _moved(self, source: torch.Tensor, kwargs: dict[str, Any]) -> torch.Tensor:
        there, asked = isinstance(source, OnCard), kwargs.pop("device", None)
        to_card = there if asked is None else asked.type in ("cuda", "meta")
        free = kwargs.pop("non_blocking", False)
        if to_card and not there:
            pinned = getattr(source, "is_page_locked", False)
            self.copies.append((pinned, free))
            if pinned and free:
                like = aten._to_copy.default(source, device=torch.device("meta"), **kwargs)
                return OnCard(like, lambda: aten._to_copy.default(source, **kwargs))
        if there and not to_card:
            self.waits.append("to the host")
        moved = aten._to_copy.default(source.held if isinstance(source, OnCard) else source, **kwargs)
        return OnCard(moved) if to_card else moved


class _Mode(TorchDispatchMode):
    """Has everything that this thread does run by the card, what is on the host alone included."""

    def __init__(self, found: Card) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.found.run(func, args, kwargs or {})


class _Thread(Thread):
    """A thread to which the card is there as well."""

    def run(self) -> None:
        with _Mode(_FOUND[-1]):
            super().run()


_FOUND: list[Card] = []


@contextmanager
def card(free: int = 1 << 40) -> Iterator[Card]:
    """Within it there is a card. `free`: bytes of its memory that are."""
    found, cuda = Card(), torch.cuda
    instead = {
        "Event": Event,
        "current_device": lambda: 0,
        "current_stream": lambda device=None: None,
        "device_count": lambda: 1,
        "get_rng_state": lambda device="cuda": found.generator.get_state(),
        "is_available": lambda: True,
        "is_bf16_supported": lambda including_emulation=True: True,
        "is_current_stream_capturing": lambda: False,
        "manual_seed_all": found.generator.manual_seed,
        "max_memory_allocated": lambda device=None: 2000,
        "max_memory_reserved": lambda device=None: 3000,
        "mem_get_info": lambda device=None: (free, free),
        "reset_peak_memory_stats": lambda device=None: setattr(found, "peak_resets", found.peak_resets + 1),
        "set_rng_state": lambda state, device="cuda": found.generator.set_state(state),
        "synchronize": found.synchronize,
    }
    if not cuda.is_available():
        instead["_lazy_init"] = lambda: None  # where there is a card it is really opened
    swapped, lifted = torch.__future__.get_swap_module_params_on_conversion(), torch._C._only_lift_cpu_tensors()
    _FOUND.append(found)
    torch.__future__.set_swap_module_params_on_conversion(True)  # parameters become OnCard, and stay the same objects
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device="cuda") goes by way of the CPU
    try:
        with mock.patch.multiple(cuda, **instead), mock.patch.object(prefetch, "Thread", _Thread), _Mode(found):
            yield found
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)
        torch._C._set_only_lift_cpu_tensors(lifted)
        _FOUND.pop()


def _check_strays(func: Any, strays: list[torch.Tensor]) -> None:
    """A single number of the host may take part where numbers go element by element."""
    if not (torch.Tag.pointwise in func.tags and all(tensor.dim() == 0 for tensor in strays)):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in strays)
        raise WrongDevice(f"{func}: tensors on the card meet others on the host, of shape {shapes}")


def _pinned(func: Any, source: torch.Tensor) -> Any:
    if func is aten.is_pinned.default:
        return getattr(source, "is_page_locked", False)
    copy = source.clone()
    copy.is_page_locked = True  # type: ignore[attr-defined]
    return copy


def _called(func: Any, args: Any, kwargs: dict[str, Any], on_card: bool) -> Any:
    """What a kernel of the CPU gives; what it changed in place is still the same tensor."""
    known: dict[int, OnCard] = {}

    def bare(value: Any) -> Any:
        if isinstance(value, OnCard):
            known[id(value.held)] = value
            return value.held
        return type(value)(map(bare, value)) if isinstance(value, list | tuple) else value

    def shown(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) in known:
                return known[id(value)]
            return OnCard(value) if on_card else value
        return type(value)(map(shown, value)) if isinstance(value, list | tuple) else value

    plain = {name: HOST if name == "device" and on_card else bare(value) for name, value in kwargs.items()}
    return shown(func(*bare(tuple(args)), **plain))


def _takes_generator(func: Any) -> bool:
    return any(argument.name == "generator" for argument in func._schema.arguments)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
