"""Full ranking against a plain loop, and the metrics made from it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.bench.study.study import Study
from tpmebench.bench.tasks import task as tasks
from tpmebench.bench.tasks.ranking import RankingRule, rank_scores, rank_targets
from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.tasks.task import Diverged
from tpmebench.datasets.catalogue import Catalogue, Dataset, Sequences
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
        ranks = rank_targets(score, sequences(rows), items, rule, CPU)
    assert ranks.tolist() == [naive_rank(*pair, rule) for pair in zip(scores, rows, strict=True)]
    assert max(map(len, asked)) <= max(1, chunk // (items + 1))
    for row, history in zip(rows, np.concatenate(asked), strict=True):
        assert [item for item in history.tolist() if item] == row[-max_length - 1 : -1]


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
