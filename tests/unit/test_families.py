"""Towers of many families give transformers' own vectors, whatever they are called, and methods train on them."""

from collections.abc import Iterator

import family_page
import pytest
import torch
from families import oracle
from families.family import Family
from families.items import ITEMS
from families.pictures import PICTURES
from families.reading import FAMILIES, OUTPUT, refusal, subject
from families.steps import cached_name, embeddings, reason
from families.texts import TEXTS
from torch import Tensor

from tpmebench.methods.backbones.loading import part_of

WRITTEN = family_page.rows(family_page.PAGE.read_text("utf-8"))
READ = [family for family in FAMILIES.values() if not family.refused]


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TPMEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _difference(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))


def _of_each(families: list[Family]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", [family.kind for family in families])


@_of_each(READ)
def test_every_level_is_transformers_own(kind: str) -> None:
    family, on = FAMILIES[kind], subject(kind)
    assert on.shape.pooling == family.pooling
    wanted = oracle.vectors(family, on.shelf)
    found = dict(zip(on.levels, on.states(*on.shelf.numbers), strict=True))
    assert sorted(wanted.levels) == list(range(family.skips, on.shape.depth + 1))
    known = wanted.levels | {OUTPUT: wanted.output}
    off = {level: _difference(found[level], vectors) for level, vectors in known.items()}
    assert max(off.values()) < 1e-5, off


@_of_each(READ)
def test_an_item_has_the_same_vectors_alone_in_a_batch_and_again(kind: str) -> None:
    on = subject(kind)
    numbers = on.shelf.numbers
    batch = on.states(*numbers)
    alone = [torch.cat(level) for level in zip(*(on.states(number) for number in numbers), strict=True)]
    again = on.states(*numbers, *reversed(numbers))
    for together, apart, repeated in zip(batch, alone, again, strict=True):
        assert _difference(apart, together) < 1e-5
        assert _difference(repeated, torch.cat([together, together.flip(0)])) < 1e-5


@_of_each(READ)
def test_cached_is_live_at_every_level(kind: str) -> None:
    on = subject(kind)
    live = dict(zip(on.levels, on.states(*on.shelf.numbers), strict=True))
    for width in {on.shape.width(level) for level in on.levels}:
        levels = tuple(level for level in on.levels if on.shape.width(level) == width)
        for level, cached in zip(levels, on.features(levels).gather(torch.tensor(on.shelf.numbers)), strict=True):
            assert _difference(cached.expand(ITEMS, -1), live[level]) < 1e-5, level


@_of_each(READ)
def test_methods_make_the_same_of_cached_and_live(kind: str) -> None:
    cached = cached_name(kind)
    assert _difference(embeddings(kind, cached), embeddings(kind, cached.removesuffix("-cached"))) < 1e-5


@_of_each(READ)
def test_methods_train_or_say_why_not(kind: str) -> None:
    assert not reason(kind, "fft") and not reason(kind, "bitfit")
    assert family_page.row(kind) == WRITTEN[kind]


@_of_each([family for family in READ if family.modality == "text"])
def test_a_text_as_long_as_said_runs_and_none_longer(kind: str) -> None:
    longest, model = subject(kind).anatomy.positions, part_of(FAMILIES[kind].whole(), "text")
    model(input_ids=torch.full((1, longest or 60), 9))
    if longest is not None:
        with pytest.raises((IndexError, RuntimeError, ValueError)):
            model(input_ids=torch.full((1, longest + 1), 9))


@_of_each([family for family in FAMILIES.values() if family.refused])
def test_what_is_not_read_is_refused_with_a_reason(kind: str) -> None:
    assert FAMILIES[kind].refused in refusal(kind)
    assert family_page.row(kind) == WRITTEN[kind]


def test_the_page_has_a_row_for_each_and_no_other() -> None:
    known = [family.kind for family in (*TEXTS, *PICTURES)]
    assert list(WRITTEN) == known
    assert len(READ) >= 40
