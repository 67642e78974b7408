"""What a training step asks of a machine: the operators that torch calls, with their operations and bytes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.module_tracker import ModuleTracker

from ..meters.operations import operations_of

aten = torch.ops.aten


@dataclass(frozen=True)
class Shape:
    """A tensor without its values. `stride`: in elements; () for one whose elements stand in order without gaps."""

    dtype: str
    size: tuple[int, ...]
    stride: tuple[int, ...] = ()

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Shape":
        """Of a real tensor or a fake one."""
        dtype = str(tensor.dtype).removeprefix("torch.")
        ordered = tensor.layout is not torch.strided or tensor.is_contiguous()
        return cls(dtype, tuple(tensor.shape), () if ordered else tuple(tensor.stride()))

    def __str__(self) -> str:
        stride = f"/{','.join(map(str, self.stride))}" if self.stride else ""
        return f"{self.dtype}[{','.join(map(str, self.size))}{stride}]"


@dataclass(frozen=True)
class Operator:
    """A torch operator on tensors of certain shapes.

    `given`, `made`: the tensors that go in and the new ones that come out, lists of them flattened. `dtype`: what it
    computes in, that of the first floating-point tensor. `operations`: a multiply-add is two; 0 for all but products,
    convolutions and attention. `bytes`: read and written, each tensor once, as if no cache were there.
    """

    name: str
    given: tuple[Shape, ...]
    made: tuple[Shape, ...]
    dtype: str
    operations: int
    bytes: int

    @cached_property
    def key(self) -> str:
        """One line that is the same for the same work: `aten.mm.default float32[4,8] float32[8,2] -> float32[4,2]`."""
        return f"{self.name} {_joined(self.given)} -> {_joined(self.made)}"


@dataclass(frozen=True)
class StepWork:
    """The operators of a training step and how often each is called.

    `views`: calls that move nothing (views, and memory taken without being filled): only the host sees them.
    `backward`: how many of the launches autograd makes, beside those that the modules' own code makes.
    """

    operators: Mapping[Operator, int] = field(default_factory=dict)
    views: int = 0
    backward: int = 0

    @property
    def launches(self) -> int:
        """Operators that move or compute something: each is at least one kernel."""
        return sum(self.operators.values())

    @property
    def bytes(self) -> int:
        """Bytes that the operators read and write, each by itself: a chip's caches and fused kernels save of them."""
        return sum(operator.bytes * times for operator, times in self.operators.items())

    @property
    def operations(self) -> dict[str, int]:
        """Operations of products, convolutions and attention by the dtype that they compute in."""
        found: Counter[str] = Counter()
        for operator, times in self.operators.items():
            if operator.operations:
                found[operator.dtype] += operator.operations * times
        return dict(found)


@dataclass(frozen=True)
class Call:
    """How an operator was called, with the shapes in place of the tensors, so that it can be called again."""

    function: Any
    args: Any
    kwargs: Any


class WorkMode(TorchDispatchMode):
    """Counts the operators that run while it is entered, on real tensors or, inside `FakeTensorMode`, on fake ones.

    `calls`: of each operator its first call. No tensor is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[Operator, Call] = {}
        self._counts: Counter[Operator] = Counter()
        self._views = self._backward = 0
        self._tracker = ModuleTracker()  # never entered: only asked whether autograd runs

    @property
    def work(self) -> StepWork:
        """What has run so far."""
        return StepWork(dict(self._counts), self._views, self._backward)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        sizes = [Shape.of(tensor) for tensor in given]  # before it runs: some operators change the shape in place
        output = func(*args, **kwargs)
        if not isinstance(func, torch._ops.OpOverload) or func.namespace == "prim":
            return output
        known = {_memory(tensor) for tensor in given}
        made = [tensor for tensor in _tensors(output) if _memory(tensor) not in known]
        if _moves_nothing(func, made, output):
            self._views += 1
            return output
        shapes = tuple(Shape.of(tensor) for tensor in made)
        operator = Operator(
            name=str(func),
            given=tuple(sizes),
            made=shapes,
            dtype=_dtype(chain(given, made)),
            operations=operations_of(func, args, kwargs, output),
            bytes=_read(func, given, made, args, kwargs) + sum(map(_bytes, made)) + _written(func, args, kwargs),
        )
        self._counts[operator] += 1
        self._backward += self._tracker.is_bw
        if operator not in self.calls:
            self.calls[operator] = Call(func, *tree_map(_without_values, (args, kwargs)))
        return output


def observe(run: Callable[[], object]) -> StepWork:
    """The work of `run()`."""
    with WorkMode() as mode:
        run()
    return mode.work


def _without_values(value: Any) -> Any:
    return Shape.of(value) if isinstance(value, torch.Tensor) else value


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _memory(tensor: torch.Tensor) -> int:
    """What two views of one storage have in common."""
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


_ONLY_TAKE_MEMORY = {
    aten.empty,
    aten.empty_like,
    aten.empty_permuted,
    aten.empty_strided,
    aten.new_empty,
    aten.new_empty_strided,
    aten.resize_,
    aten.set_,
}


def _moves_nothing(func: Any, made: list[torch.Tensor], output: Any) -> bool:
    """Whether an operator gives only views of what it was given, or memory with nothing in it."""
    if func.overloadpacket in _ONLY_TAKE_MEMORY:
        return True
    return not made and not func._schema.is_mutable and bool(_tensors(output))


_READ_ROWS = {
    aten.embedding: "weight",
    aten.gather: "self",
    aten.index: "self",
    aten.index_select: "self",
    aten.take: "self",
}
"""Operators that read of one argument as many elements as they give, however large it is."""
_OVERWRITE = {
    aten.bernoulli_,
    aten.copy_,
    aten.exponential_,
    aten.fill_,
    aten.normal_,
    aten.random_,
    aten.uniform_,
    aten.zero_,
}
"""Operators that write to their first argument without reading it."""
_PUT_ROWS = {aten.index_add_, aten.index_put_, aten._index_put_impl_, aten.scatter_, aten.scatter_add_}
"""Operators that read and write of their first argument as many elements as they are given values."""


def _read(func: Any, given: list[torch.Tensor], made: list[torch.Tensor], args: Any, kwargs: Any) -> int:
    packet = func.overloadpacket
    whole = sum(map(_bytes, {id(tensor): tensor for tensor in given}.values()))
    if packet in _OVERWRITE:
        return whole - _bytes(args[0])
    if packet in _PUT_ROWS:
        values = [tensor for tensor in given if tensor is not args[0] and tensor.dtype == args[0].dtype]
        return whole - _bytes(args[0]) + (sum(map(_bytes, values)) if packet in _ADDING else 0)
    if packet in _READ_ROWS:
        table = _argument(func, args, kwargs, _READ_ROWS[packet])
        return whole - _bytes(table) + min(_bytes(table), sum(map(_bytes, made)))
    return whole


_ADDING = {aten.index_add_, aten.scatter_add_}
_ONLY_READ = {aten._fused_adam_: "grads", aten._fused_adamw_: "grads"}
"""What a schema calls written but is so only when gradients were scaled, which a scaler of fp16 does."""


def _written(func: Any, args: Any, kwargs: Any) -> int:
    """Bytes written in place."""
    packet = func.overloadpacket
    if packet in _PUT_ROWS:
        return sum(_bytes(t) for t in _tensors((args, kwargs)) if t is not args[0] and t.dtype == args[0].dtype)
    changed = [
        _argument(func, args, kwargs, argument.name)
        for argument in func._schema.arguments
        if argument.alias_info is not None
        and argument.alias_info.is_write
        and not (argument.name == _ONLY_READ.get(packet) and kwargs.get("grad_scale") is None)
    ]
    return sum(map(_bytes, _tensors(changed)))


def _argument(func: Any, args: Any, kwargs: Any, name: str) -> Any:
    place = next(index for index, argument in enumerate(func._schema.arguments) if argument.name == name)
    return args[place] if place < len(args) else kwargs.get(name)


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's distinct elements: one that was expanded is read once; of a sparse one, what it holds."""
    if tensor.layout is torch.sparse_coo:
        return _bytes(tensor._indices()) + _bytes(tensor._values())
    count = 1
    for size, stride in zip(tensor.shape, _strides(tensor), strict=True):
        count *= size if stride else min(size, 1)
    return count * tensor.element_size()


def _strides(tensor: torch.Tensor) -> Iterable[int]:
    return tensor.stride() if tensor.layout is torch.strided else [1] * tensor.dim()


def _dtype(tensors: Iterable[torch.Tensor]) -> str:
    dtypes = [tensor.dtype for tensor in tensors]
    chosen = next((dtype for dtype in dtypes if dtype.is_floating_point), dtypes[0] if dtypes else torch.float32)
    return str(chosen).removeprefix("torch.")


def _joined(shapes: Iterable[Shape]) -> str:
    """Shapes in a line, those that follow one another alike with their number."""
    runs = [(shape, len(list(run))) for shape, run in groupby(map(str, shapes))]
    return " ".join(f"{count}x{shape}" if count > 1 else shape for shape, count in runs) or "nothing"
