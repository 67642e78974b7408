"""Full ranking against a plain loop, and the metrics made from it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tpmebench.bench.study.study import Study
from tpmebench.bench.tasks import task as tasks
from tpmebench.bench.tasks.ranking import RankingRule, rank_scores, rank_targets
from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.tasks.task import Diverged, ScoreUsers
from tpmebench.bench.tasks.tiles import TILES, Tile, ranks_by_tiles
from tpmebench.datasets.catalogue import Catalogue, Dataset, Sequences
from tpmebench.methods.head.recommender import SequentialRecommender
from tpmebench.methods.head.sasrec import HeadSize, SASRec
from tpmebench.metrics import RANKING, means

CPU = torch.device("cpu")


def sequences(rows: list[list[int]]) -> Sequences:
    stops = np.cumsum([len(row) for row in rows])
    return Sequences(np.array([item for row in rows for item in row]), stops - [len(row) for row in rows], stops)


def naive_rank(scores: list[float], row: list[int], rule: RankingRule) -> float:
    """1 + items above + half of those that tie, over the items that are not masked."""
    target, history = row[-1], row[:-1]
    candidates = set(range(1, len(scores)))
    if rule.repeat_targets == "miss":
        candidates -= set(history)
    if target not in candidates:
        return math.inf
    above = sum(scores[item] > scores[target] for item in candidates)
    ties = sum(scores[item] == scores[target] for item in candidates - {target})
    return 1 + above + ties / 2


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[list[list[int]], list[list[float]]]:
    """Sequences and scores of few levels, so that many tie."""
    items = draw(st.integers(1, 12))
    rows = draw(st.lists(st.lists(st.integers(1, items), min_size=2, max_size=6), min_size=1, max_size=6))
    level = st.integers(-2, 2).map(float)
    scores = [draw(st.lists(level, min_size=items + 1, max_size=items + 1)) for _ in rows]
    return rows, scores


@given(catalogues(), st.sampled_from(["miss", "rank"]), st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_ranks_are_those_of_the_definition_whatever_the_chunk(
    made: tuple[list[list[int]], list[list[float]]], repeat_targets: str, max_length: int, chunk: int
) -> None:
    rows, scores = made
    rule = RankingRule(max_length, repeat_targets)
    asked: list[np.ndarray] = []

    def score(history: torch.Tensor) -> torch.Tensor:
        first = sum(map(len, asked))
        asked.append(history.numpy())
        return torch.tensor(scores[first : first + len(history)])

    items = len(scores[0]) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_SCORES_AT_ONCE", {"cpu": chunk})
        ranks = rank_targets(ScoreUsers(score), sequences(rows), items, rule, CPU)
    assert ranks.tolist() == [naive_rank(*pair, rule) for pair in zip(scores, rows, strict=True)]
    assert max(map(len, asked)) <= max(1, chunk // (items + 1))
    for row, history in zip(rows, np.concatenate(asked), strict=True):
        assert [item for item in history.tolist() if item] == row[-max_length - 1 : -1]


@st.composite
def products(draw: st.DrawFn) -> tuple[list[list[int]], np.ndarray, np.ndarray]:
    """Sequences, and small whole numbers as factors of users and items: their products are exact, and many tie."""
    items, users = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    rows = [draw(st.lists(st.integers(1, items), min_size=2, max_size=6)) for _ in range(users)]
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return rows, rng.integers(-1, 2, (users, 2)), rng.integers(-1, 2, (items + 1, 2))


@given(products(), st.sampled_from(["miss", "rank"]), st.integers(2, 6), st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_ranks_by_tiles_are_those_of_the_definition(
    made: tuple[list[list[int]], np.ndarray, np.ndarray], repeat_targets: str, users: int, width: int
) -> None:
    rows, first, second = made
    factors = [torch.from_numpy(each).float() for each in (first, second)]
    rule, asked = RankingRule(5, repeat_targets), [0]

    def of(history: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        start = asked[0]
        asked[0] += len(history)
        return factors[0][start : asked[0]], factors[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TILES, "cpu", Tile(users, width))
        patch.setattr(tasks, "_SCORES_AT_ONCE", {"cpu": 0})
        ranks = rank_targets(ScoreUsers(refuse, of), sequences(rows), len(second) - 1, rule, CPU)
    scores = (first @ second.T).tolist()
    assert ranks.tolist() == [naive_rank(*pair, rule) for pair in zip(scores, rows, strict=True)]


def refuse(history: torch.Tensor) -> torch.Tensor:
    raise AssertionError(f"{len(history)} whole rows of scores were asked for")


def test_equal_items_tie_in_whatever_tile_they_stand() -> None:
    """Products of floats are rounded: the same item in another tile must come to the same score."""
    generator = torch.Generator().manual_seed(1)
    users, kinds = (torch.randn(size, 64, generator=generator) for size in (37, 50))
    items = kinds[torch.randint(50, (3001,), generator=generator)]
    slots = np.random.default_rng(2).integers(1, 3001, (37, 4))
    found = ranks_by_tiles((users, items), slots, False, Tile(37, 256))
    exact = (users.double() @ items.double().T)[:, 1:]
    own = exact.gather(1, torch.from_numpy(slots[:, -1:]) - 1)
    near = (exact - own).abs() < 1e-9
    expected = 1 + ((exact > own) & ~near).sum(1) + (near.sum(1) - 1) / 2
    assert found.tolist() == expected.tolist()


def test_a_recommender_with_scores_of_its_own_is_not_ranked_by_factors_of_another() -> None:
    class Cosine(SequentialRecommender):
        def scores(self, history: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
            return super().scores(history, functional.normalize(embeddings))

    head = SASRec(HeadSize(width=8, max_length=4)).eval()
    shown = torch.tensor([[1, 2]]), torch.randn(5, 8)
    assert Cosine(torch.nn.Identity(), head, np.ones(5)).factors(*shown) is None
    users, _ = SequentialRecommender(torch.nn.Identity(), head, np.ones(5)).factors(*shown)
    assert users.shape == (1, 8)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_factors_that_are_no_numbers_are_an_error(bad: float) -> None:
    items = torch.tensor([[0.0], [1.0], [bad]])
    with pytest.raises(Diverged, match="not finite"):
        ranks_by_tiles((torch.ones(1, 1), items), np.array([[0, 1]]), True, Tile(1, 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_an_error(bad: float) -> None:
    scores = torch.tensor([[0.0, 1.0, bad]])
    with pytest.raises(Diverged, match="not finite"):
        rank_scores(scores, torch.tensor([[0]]), torch.tensor([[1]]), RankingRule())


def test_metrics_by_hand() -> None:
    found = means(RANKING, np.array([1.0, 2.5, 10.0, 10.5, math.inf]))
    assert found["HR@5"] == pytest.approx(2 / 5)
    assert found["HR@10"] == pytest.approx(3 / 5)
    assert found["HR@20"] == pytest.approx(4 / 5)
    gains = [1.0, 1 / math.log2(3.5), 1 / math.log2(11), 1 / math.log2(11.5)]
    assert found["NDCG@5"] == pytest.approx(sum(gains[:2]) / 5)
    assert found["NDCG@10"] == pytest.approx(sum(gains[:3]) / 5)
    assert found["NDCG@20"] == pytest.approx(sum(gains) / 5)
    assert found["MRR"] == pytest.approx((1 + 1 / 2.5 + 1 / 10 + 1 / 10.5) / 5)
    assert means(RANKING, np.array([])) == {}


def test_accuracy_takes_the_kinds_of_target_apart() -> None:
    train = sequences([[1, 2], [3, 1]])
    test = sequences([[1, 2, 1], [3, 1, 4], [2, 5], [5, 4, 3]])
    dataset = Dataset("tiny", Catalogue(["", *"abcde"], None, None), train, train, test)
    valid_ranks, test_ranks = np.array([1.0, 3.0]), np.array([math.inf, 1.0, 7.0, 30.0])
    result = Sequential(Study()).accuracy(dataset, valid_ranks, test_ranks, best_epoch=2)
    assert result.best_epoch == 2
    chosen = {
        "valid": valid_ranks,
        "test": test_ranks,
        "warm": test_ranks[[0, 3]],
        "cold": test_ranks[[1, 2]],
        "novel": test_ranks[1:],
        "repeat": test_ranks[:1],
    }
    for name, ranks in chosen.items():
        found = getattr(result, name)
        assert (found.users, found.metrics) == (len(ranks), means(RANKING, ranks)), name
    assert len({str(means(RANKING, ranks)) for ranks in chosen.values()}) == len(chosen), (
        "no two may be alike by chance"
    )


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=8))
def test_repeats(rows: list[list[int]]) -> None:
    assert sequences(rows).repeats().tolist() == [row[-1] in row[:-1] for row in rows]
