"""The in-batch loss against a plain loop over positions and slots."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tpmebench.datasets.batches import Batch, Encode, make_batch
from tpmebench.methods.head.loss import Candidates, in_batch_loss
from tpmebench.methods.head.recommender import SequentialRecommender
from tpmebench.methods.head.sasrec import HeadSize, SASRec
from tpmebench.methods.inputs import ItemInputs

N_ITEMS, WIDTH = 7, 3


@st.composite
def slot_arrays(draw: st.DrawFn) -> np.ndarray:
    """Left-padded item numbers `[users, slots]`, each user with two items at least."""
    slots = draw(st.integers(2, 6))
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        items = draw(st.lists(st.integers(1, N_ITEMS), min_size=2, max_size=slots))
        rows.append([0] * (slots - len(items)) + items)
    return np.array(rows)


def naive_loss(slots: np.ndarray, vectors: np.ndarray, table: np.ndarray, popularity: np.ndarray) -> float:
    """The definition, one position at a time: every slot of the batch is a column; `vectors` `[users, L, width]`."""
    flat, losses = slots.reshape(-1), []
    for user, row in enumerate(slots):
        for position in range(len(row) - 1):
            if row[position] == 0:
                continue
            label = user * len(row) + position + 1
            scores = {}
            for column, item in enumerate(flat):
                if column == label or (item != 0 and item not in row):
                    scores[column] = vectors[user, position] @ table[item] - math.log(popularity[item])
            losses.append(math.log(sum(math.exp(score) for score in scores.values())) - scores[label])
    return float(np.mean(losses))


def loss_of(batch: Batch, vectors: Tensor, embeddings: Tensor, popularity: np.ndarray) -> Tensor:
    debias = -torch.from_numpy(np.log(popularity))[batch.items]
    # The counts are whole numbers; their logarithm is taken again, in double precision.
    counts = batch.log_counts.double().exp().round().log()
    candidates = Candidates(batch.items, counts + debias, debias[batch.labels])
    rows = vectors.flatten(0, 1).index_select(0, batch.positions)
    return in_batch_loss(rows, embeddings, candidates, batch.slots, batch.users, batch.labels)


@given(slot_arrays(), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_distinct_items_and_every_slot_give_the_loss_of_the_definition(slots: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    popularity = rng.uniform(0.05, 1.0, N_ITEMS + 1)
    table = torch.from_numpy(rng.normal(size=(N_ITEMS + 1, WIDTH))).requires_grad_()
    vectors = torch.from_numpy(rng.normal(size=(len(slots), slots.shape[1] - 1, WIDTH))).requires_grad_()
    expected = naive_loss(slots, vectors.detach().numpy(), table.detach().numpy(), popularity)
    gradients = []
    for encode in ("unique", "every-slot"):
        batch = make_batch(slots, encode)
        loss = loss_of(batch, vectors, table[batch.items], popularity)
        assert loss.item() == pytest.approx(expected, abs=1e-10)
        gradients.append(torch.autograd.grad(loss, [vectors, table]))
        assert all(gradient.isfinite().all() for gradient in gradients[-1])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


class Table(nn.Module):
    """Embeddings of item numbers, padding's too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(N_ITEMS + 1, 4)

    def forward(self, inputs: ItemInputs) -> Tensor:
        return self.embedding(inputs.items)


def recommender() -> SequentialRecommender:
    torch.manual_seed(0)
    popularity = np.array([1.0, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0])
    return SequentialRecommender(Table(), SASRec(HeadSize(width=4, max_length=4)), popularity).eval()


def embedding_of(model: SequentialRecommender) -> Tensor:
    return model.item_encoder.get_parameter("embedding.weight")


SLOTS = np.array([[0, 0, 1, 2, 1], [3, 2, 4, 5, 6], [0, 0, 0, 4, 4]])


def test_a_recommender_gives_one_loss_however_items_are_encoded() -> None:
    model = recommender()
    losses = []
    for encode in ("unique", "every-slot"):
        batch = make_batch(SLOTS, encode)
        losses.append(model.loss(batch, ItemInputs(batch.items)).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    with torch.no_grad():
        table = embedding_of(model)
        vectors = model.head(table[torch.from_numpy(SLOTS[:, :-1])], torch.from_numpy(SLOTS[:, :-1] > 0))
    popularity = model.log_popularity.exp().double().numpy()
    assert losses[0] == pytest.approx(naive_loss(SLOTS, vectors.numpy(), table.detach().numpy(), popularity), rel=1e-5)


@pytest.mark.parametrize("encode", ["unique", "every-slot"])
def test_padding_gets_no_gradient(encode: Encode) -> None:
    model = recommender()
    batch = make_batch(SLOTS, encode)
    model.loss(batch, ItemInputs(batch.items)).backward()
    gradient = embedding_of(model).grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient[0].abs().max() < 1e-12
    assert (gradient[1:7].abs().sum(1) > 0).all()


def test_items_without_popularity_have_a_finite_logarithm() -> None:
    assert recommender().log_popularity.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_close(dtype: torch.dtype) -> None:
    model, batch = recommender(), make_batch(SLOTS, "unique")
    expected = model.loss(batch, ItemInputs(batch.items)).item()
    with torch.autocast("cpu", dtype):
        loss = model.loss(batch, ItemInputs(batch.items))
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=0.02)
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_user_vectors_read_the_last_position() -> None:
    model, table = recommender(), torch.randn(N_ITEMS + 1, 4)
    history = torch.tensor([[0, 0, 3, 1], [0, 0, 0, 2], [4, 1, 2, 3], [0, 1, 1, 4]])
    expected = model.head(table[history], history > 0)[:, -1]
    users, items = model.factors(history, table)
    torch.testing.assert_close(users, expected)
    assert items is table
