"""The peak of live tensor memory on a CPU, followed storage by storage: exact, and equal on repetition to the byte."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, Self
from weakref import ref

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Kind = Literal["weights", "gradients", "optimiser", "activations"]
KINDS: tuple[Kind, ...] = ("weights", "gradients", "optimiser", "activations")


@dataclass
class _Storage:
    """A live storage: its size, what it holds, when it was first seen, and the reference that tells of its end."""

    bytes: int
    kind: Kind
    number: int
    reference: ref[torch.UntypedStorage]


class TensorBytes(TorchDispatchMode):
    """Follows which tensor storages live while it is entered, and the peak of their sum in bytes.

    A storage counts once, however many views share it, from the first operation that touches it until the last
    tensor or graph node that holds it is gone; one that is resized counts with its new size from the next operation
    on. `track` names what is alive before the first operation: modules (weights, and gradients as they come),
    optimisers (state as it comes) and tensors, in any nesting of lists and dictionaries.

    Memory that torch did not allocate (`torch.from_numpy` over an array or a memory map, tensors in shared memory)
    counts only when it is tracked: a feature cache's pages belong to the system. Work space inside a kernel is not
    seen, nor are operations in other threads; what those leave behind counts once this thread touches it.

    A sparse tensor counts as its indices and its values. `whereabouts` says where the computation stands; what it said
    at the peak is `where`.

    Python's cycle collector rests meanwhile: when it happens to run must not decide a peak.

    Works on fake tensors as well, when entered inside `FakeTensorMode`: then nothing is allocated. Source of the idea:
    torch.distributed._tools.mem_tracker.
    """

    def __init__(self, track: Iterable[Any] = (), whereabouts: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.where: Any = None
        self._whereabouts = whereabouts
        self.current = 0
        self.peak = 0
        self._tracked = list(track)
        self._storages: dict[int, _Storage] = {}
        self._seen = 0
        self._seen_at_peak = 0
        self._kinds: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._kinds_at_peak = dict(self._kinds)
        self._hooks: list[Any] = []
        self._collecting = False

    def __enter__(self) -> Self:
        self._collecting = gc.isenabled()
        gc.disable()
        super().__enter__()
        self.track(self._tracked)
        self._tracked.clear()  # a meter keeps nothing alive
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)
        if self._collecting:
            gc.enable()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._storages.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for tensor in _tensors((args, kwargs and kwargs.values(), output)):
            if tensor.layout is torch.strided:
                self._see(tensor)
            else:
                for part in _parts(tensor):
                    self._see(part)
        return output

    def track(self, *things: Any) -> None:
        """Counts what lives already: modules, optimisers, tensors, or nestings of them."""
        for thing in _flat(things):
            if isinstance(thing, torch.nn.Module):
                for parameter in thing.parameters():
                    self._follow_parameter(parameter)
                self.label(thing.buffers(), "weights")
            elif isinstance(thing, torch.optim.Optimizer):
                self._label_state(thing)
                self._hooks.append(thing.register_step_post_hook(lambda optimiser, *_: self._label_state(optimiser)))
            elif isinstance(thing, torch.nn.Parameter):
                self._follow_parameter(thing)
            elif isinstance(thing, torch.Tensor):
                for part in _parts(thing):
                    self._see(part, always=True)

    def label(self, tensors: Any, kind: Kind) -> None:
        """Says what tensors hold. The breakdown at a past peak follows, where they lived then."""
        for tensor in chain.from_iterable(_parts(each) for each in _flat(tensors) if isinstance(each, torch.Tensor)):
            storage = self._see(tensor, always=True)
            if storage is None or storage.kind == kind:
                continue
            self._kinds[storage.kind] -= storage.bytes
            self._kinds[kind] += storage.bytes
            if storage.number <= self._seen_at_peak:
                self._kinds_at_peak[storage.kind] -= storage.bytes
                self._kinds_at_peak[kind] += storage.bytes
            storage.kind = kind

    def reset_peak(self) -> None:
        """Forgets the peak: from here on it is what lives now, or more."""
        self.peak = self.current
        self._remember()

    def kinds_at_peak(self) -> dict[str, int]:
        """Bytes at the peak of weights, gradients, optimiser state, and activations with all else; they sum to it."""
        return {**self._kinds_at_peak}

    def _follow_parameter(self, parameter: torch.nn.Parameter) -> None:
        self.label([parameter], "weights")
        if parameter.grad is not None:
            self.label([parameter.grad], "gradients")
        if parameter.requires_grad and parameter.is_leaf:
            self._hooks.append(parameter.register_post_accumulate_grad_hook(self._label_gradient))

    def _label_gradient(self, parameter: torch.Tensor) -> None:
        self.label([parameter.grad], "gradients")

    def _label_state(self, optimiser: torch.optim.Optimizer) -> None:
        self.label(optimiser.state.values(), "optimiser")

    def _see(self, tensor: torch.Tensor, always: bool = False) -> _Storage | None:
        """Counts a tensor's storage unless it is counted already; None for one that is not ours to count."""
        memory = tensor.untyped_storage()
        key, size = memory._cdata, memory.nbytes()
        storage = self._storages.get(key)
        if storage is None:
            if not (always or memory.resizable()):
                return None
            self._seen += 1
            gone = ref(memory, lambda _: self._forget(key))
            storage = self._storages[key] = _Storage(0, "activations", self._seen, gone)
        if size != storage.bytes:
            self._add(storage, size - storage.bytes)
        return storage

    def _add(self, storage: _Storage, change: int) -> None:
        storage.bytes += change
        self.current += change
        self._kinds[storage.kind] += change
        if self.current > self.peak:
            self.peak = self.current
            self._remember()

    def _remember(self) -> None:
        self._kinds_at_peak = dict(self._kinds)
        self._seen_at_peak = self._seen
        self.where = self._whereabouts()

    def _forget(self, key: int) -> None:
        storage = self._storages.pop(key, None)
        if storage is not None:
            self.current -= storage.bytes
            self._kinds[storage.kind] -= storage.bytes


_INDICES = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def _parts(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors that hold what a tensor holds: itself, or a sparse one's indices and values."""
    if tensor.layout is torch.strided:
        yield tensor
    elif tensor.layout is torch.sparse_coo:
        yield from (tensor._indices(), tensor._values())
    elif tensor.layout in _INDICES:
        yield from (getattr(tensor, name)() for name in (*_INDICES[tensor.layout], "values"))


def _tensors(things: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors among an operator's arguments or results, which hold nothing deeper than lists of them."""
    for thing in things:
        if isinstance(thing, torch.Tensor):
            yield thing
        elif isinstance(thing, list | tuple | ValuesView):
            yield from _tensors(thing)


def _flat(things: Any) -> Iterable[Any]:
    """The leaves of nested mappings and iterables; tensors, modules and optimisers are leaves."""
    if isinstance(things, torch.Tensor | torch.nn.Module | torch.optim.Optimizer) or things is None:
        yield things
    elif isinstance(things, Mapping):
        yield from chain.from_iterable(_flat(value) for value in things.values())
    elif isinstance(things, Iterable) and not isinstance(things, str | bytes):
        yield from chain.from_iterable(_flat(value) for value in things)
