"""Full ranking against the published implementation: scores, ranks, HR@10 and NDCG@10."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tpmebench.bench.tasks import task as tasks
from tpmebench.bench.tasks.ranking import RankingRule, rank_scores, rank_targets
from tpmebench.bench.tasks.task import ScoreUsers
from tpmebench.bench.tasks.tiles import TILES, Tile
from tpmebench.datasets.catalogue import Sequences
from tpmebench.methods.head.recommender import SequentialRecommender
from tpmebench.methods.head.sasrec import HeadSize, SASRec
from tpmebench.metrics import RANKING, means

ITEMS = 100


@pytest.fixture
def found(arrays: Callable[[str], dict[str, Tensor]]) -> dict[str, Tensor]:
    return arrays("ranking")


@pytest.fixture
def score(found: dict[str, Tensor], head_state: Callable[..., dict[str, Tensor]]) -> ScoreUsers:
    """Scores of every item after each history, with the published weights and embeddings."""
    head = SASRec(HeadSize(width=8, max_length=10)).eval()
    head.load_state_dict(head_state(found))
    recommender = SequentialRecommender(torch.nn.Identity(), head, np.ones(ITEMS + 1))
    embeddings = found["fused_items"]
    return ScoreUsers(
        lambda history: recommender.scores(history, embeddings),
        lambda history: recommender.factors(history, embeddings),
    )


def kept(found: dict[str, Tensor]) -> Sequences:
    """Each user's whole history (up to twelve items: the model reads the last ten) and the target."""
    history = found["history_leftpad0"].numpy()
    slots = np.concatenate([history, found["target"].numpy()[:, None]], axis=1)
    stops = (1 + np.arange(len(slots))) * slots.shape[1]
    return Sequences(slots.reshape(-1), stops - (slots > 0).sum(1), stops)


def test_the_fixture_s_sequences_agree(found: dict[str, Tensor]) -> None:
    users = np.arange(20)
    assert np.array_equal(kept(found).padded(users, 11), found["eval_seq_leftpad0"].numpy())
    assert (kept(found).padded(users, 13)[:, 0] > 0).any()


@torch.no_grad()
def test_masked_scores(found: dict[str, Tensor], score: ScoreUsers) -> None:
    scores = score(found["eval_seq_leftpad0"][:, :-1])
    masked = scores.scatter(1, found["history_leftpad0"], -torch.inf)[:, 1:]
    torch.testing.assert_close(masked, found["masked_scores_items1toN"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("tile", [TILES["cpu"], Tile(users=2 * ITEMS, items=7)], ids=["rows", "tiles"])
def test_ranks_and_metrics(
    found: dict[str, Tensor],
    numbers: Callable[[str], dict[str, Any]],
    score: ScoreUsers,
    tile: Tile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TILES, "cpu", tile)
    monkeypatch.setattr(tasks, "_SCORES_AT_ONCE", {"cpu": 2 * ITEMS * (ITEMS + 1)})
    ranks = rank_targets(score, kept(found), ITEMS, RankingRule(10, "miss"), torch.device("cpu"))
    expected = [np.inf if rank is None else float(rank) for rank in numbers("ranking")["rank_with_repeats_missed"]]
    assert ranks.tolist() == expected
    assert means(RANKING, ranks)["HR@10"] == pytest.approx(0.65, abs=1e-7)
    assert means(RANKING, ranks)["NDCG@10"] == pytest.approx(0.3166312, abs=1e-7)


@torch.no_grad()
def test_a_mask_that_spares_the_target_gives_the_other_published_figures(
    found: dict[str, Tensor], score: ScoreUsers
) -> None:
    """No rule of ours, since it favours repeats; but it shows which ranks the two missed targets would have."""
    history, target = found["history_leftpad0"], found["target"][:, None]
    spared = history.masked_fill(history == target, 0)
    scores = score(found["eval_seq_leftpad0"][:, :-1])
    ranks = rank_scores(scores, spared, target, RankingRule(10, "miss")).numpy()
    assert ranks[-2:].tolist() == [43.0, 3.0]
    assert means(RANKING, ranks)["HR@10"] == pytest.approx(0.70, abs=1e-7)
    assert means(RANKING, ranks)["NDCG@10"] == pytest.approx(0.3416312, abs=1e-7)


@torch.no_grad()
def test_without_a_mask_every_item_competes(found: dict[str, Tensor], score: ScoreUsers) -> None:
    ranks = rank_targets(score, kept(found), ITEMS, RankingRule(10, "rank"), torch.device("cpu"))
    scores = score(found["eval_seq_leftpad0"][:, :-1])[:, 1:].numpy()
    wanted = scores[np.arange(20), found["target"].numpy() - 1]
    assert ranks.tolist() == (1.0 + (scores > wanted[:, None]).sum(1)).tolist()
    assert means(RANKING, ranks)["HR@10"] == pytest.approx(0.60)
