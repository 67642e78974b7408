"""What the author of a method tests it with: the rules that the suite's own methods are held to.

from tpmebench.testing import check_method

def test_my_method():
    check_method(MyMethod)
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch

from .bench.tasks.registry import find_task
from .bench.worker import conformance
from .bench.worker.build import build_modules
from .bench.worker.checks import CheckFailed
from .bench.worker.conformance import Case
from .bench.worker.content import content_of
from .bench.worker.places import Places
from .bench.worker.read import read
from .bench.worker.self_check import FewItems
from .cell import BackboneChoice, Cell, Head, Modalities, Training
from .errors import BenchError
from .methods.method import Method
from .methods.registry import adopt, find_method

__all__ = ["CheckFailed", "check_method"]

_SHOP, _USERS, _WIDTH = "bazaar:items=30,users=12", 8, 16
_SIDE = 32
"""Pixels of a picture, a quarter of what the built-in tower sees: most towers take pictures of any size."""


def check_method(
    method: type[Method[Any]],
    options: Mapping[str, Any] | None = None,
    *,
    start: float | None = conformance.START,
) -> None:
    """Holds a method to every rule that the suite's own are held to, on a small shop and the built-in towers.

    Each item has one embedding, whatever stands beside it; what is trained has one learning rate and a gradient, and a
    training step changes nothing else; before training the towers are the pretrained ones; what training changed is all
    in what is saved; frozen towers stay in eval mode; bf16 works; text or pictures alone train too, or are refused by a
    BenchError. A method that reads the feature cache trains as the one does that it names as `uncached`.

    `start`: how far what the towers give may move before training, as a share of the largest number; None: any way.
    CheckFailed, in one sentence, for the first rule that the method breaks; BenchError for a class that is no method,
    and for options that it has not got.
    """
    name = getattr(method, "__qualname__", repr(method))
    found = adopt(f"{getattr(method, '__module__', '')}:{name}", method)
    if found.kind != "method":
        raise BenchError(f"{name} is a ranking that trains nothing: there is nothing to check")
    shop = _Shop.of(found, dict(options or {}))
    with _own_cache(), torch.random.fork_rng(devices=[]):
        try:
            conformance.check_all(shop.case, start)
            for modality in ("text", "image"):
                _check_alone(_Shop.of(found, shop.options, modality))
            if found.uncached:
                uncached = find_method(found.uncached)
                assert uncached.kind == "method", "a ranking is no method without its cache"
                conformance.check_cached(shop.case, _Shop(uncached, shop.options, shop.materials).case)
        except CheckFailed as failed:
            raise CheckFailed(f"method '{found.name}': {failed}") from failed


@dataclass(frozen=True)
class _Shop:
    """A method with its options, and what its cases are built from: data and towers, read once."""

    method: type[Method[Any]]
    options: dict[str, Any]
    materials: FewItems

    @classmethod
    def of(cls, method: type[Method[Any]], options: dict[str, Any], modalities: Modalities = "both") -> "_Shop":
        """With the items' texts, pictures or both."""
        text, image = ("micro" if modalities in ("both", name) else None for name in ("text", "image"))
        cell = Cell(
            method=method.name,
            options=method(options).chosen.model_dump(mode="json"),
            dataset=_SHOP,
            modalities=modalities,
            backbones=BackboneChoice(text=text, image=image, image_side=_SIDE if image else None),
            training=Training(cache_dtype="float32"),
            head=Head(width=_WIDTH),
        )
        places = Places.of(cell)
        found = read(cell, places, find_task(places.task)(cell), _say_nothing)
        few = FewItems(cell, places, found.dataset, found.sources, found.device, _say_nothing)
        for name in few.sources:
            few.tower(name)  # what it is seen to be is remembered in the suite's own cache
        return cls(method, options, few)

    def case(self) -> Case:
        """The same each time."""
        materials = self.materials
        method, task = self.method(self.options), find_task(materials.places.task)(materials.cell)
        content, _ = content_of(materials, method)
        recommender, _ = build_modules(materials.cell, method, task, materials.backbones, materials.dataset)
        batch = next(task.batches(materials.dataset, _USERS, materials.cell.seed).epoch(0))
        return Case(method, recommender, content, batch, content.gather(batch.items), materials.backbones)


def _check_alone(shop: _Shop) -> None:
    """One modality trains as well, unless the method says why it cannot."""
    try:
        case = shop.case()
    except CheckFailed:
        raise
    except BenchError:
        return
    conformance.check_rates(case)
    conformance.check_step(case)


@contextmanager
def _own_cache() -> Iterator[None]:
    """A folder for decoded pictures and features, of which nothing stays."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, TPMEBENCH_CACHE=folder):
        yield


def _say_nothing(_name: str, _done: int, _total: int) -> None:
    """Nobody watches."""
