"""SASRec and the in-batch loss against the published implementation, in float64, with every gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tpmebench.datasets.batches import Encode, make_batch
from tpmebench.methods.head.loss import Candidates, in_batch_loss
from tpmebench.methods.head.sasrec import HeadSize, SASRec

PUBLISHED = 4.10806380402253


@pytest.fixture(params=["unique", "every-slot"])
def encode(request: pytest.FixtureRequest) -> Encode:
    """Distinct items with the logarithm of their number, and every slot as a column of its own, as published."""
    return request.param


def test_loss_and_gradients(
    arrays: Callable[[str], dict[str, Tensor]], head_state: Callable[..., dict[str, Tensor]], encode: Encode
) -> None:
    found = arrays("loss")
    head = SASRec(HeadSize(width=8, max_length=5)).double().eval()
    head.load_state_dict(head_state(found))
    slots = found["item_ids"]
    embeddings = found["score_embs"].clone().requires_grad_()  # one a slot, equal where the item is

    batch = make_batch(slots.numpy(), encode)
    flat = batch.index.flatten()
    first = torch.stack([(flat == column).nonzero()[0, 0] for column in range(len(batch.items))])
    columns = embeddings[first]
    table = torch.cat([columns, columns.new_zeros(1, 8)])
    vectors = head(functional.embedding(batch.index[:, :-1], table), slots[:, :-1] > 0)
    present = slots[:, :-1] > 0
    torch.testing.assert_close(vectors[present], found["out_prec_vec"][present], atol=1e-12, rtol=0)

    debias = -found["pop_prob"].log()[batch.items]
    counts = batch.log_counts.double().exp().round().log()  # kept in float32; 1e-10 needs more
    candidates = Candidates(batch.items, counts + debias, debias[batch.labels])
    rows = vectors.flatten(0, 1)[batch.positions]
    loss = in_batch_loss(rows, columns, candidates, batch.slots, batch.users, batch.labels)
    assert loss.item() == pytest.approx(PUBLISHED, abs=1e-10)
    assert found["out_loss"].item() == PUBLISHED
    assert torch.equal(flat[found["out_labels_valid"]], batch.labels)

    loss.backward()
    for name, gradient in head_state(found, "grad.").items():
        ours = head.get_parameter(name).grad
        torch.testing.assert_close(ours, gradient, atol=1e-10, rtol=0)
    assert embeddings.grad is not None
    # An item's gradient is the sum over its slots; with distinct items it stands at the first of them.
    for item in range(int(slots.max()) + 1):
        mine = (slots == item).flatten()
        published = found["out_grad_score_embs"][mine].sum(0)
        torch.testing.assert_close(embeddings.grad[mine].sum(0), published, atol=1e-10, rtol=0)
    if encode == "every-slot":
        torch.testing.assert_close(embeddings.grad, found["out_grad_score_embs"], atol=1e-10, rtol=0)


def test_each_position_s_loss(arrays: Callable[[str], dict[str, Tensor]], encode: Encode) -> None:
    found = arrays("loss")
    batch = make_batch(found["item_ids"].numpy(), encode)
    flat = batch.index.flatten()
    columns = torch.stack([found["score_embs"][flat == column][0] for column in range(len(batch.items))])
    debias = -found["pop_prob"].log()[batch.items]
    counts = batch.log_counts.double().exp().round().log()
    rows = found["out_prec_vec"].flatten(0, 1)[batch.positions]
    for place, expected in enumerate(found["out_per_position_loss"].tolist()):
        labels = batch.labels[place : place + 1]
        candidates = Candidates(batch.items, counts + debias, debias[labels])
        users = batch.users[place : place + 1]
        loss = in_batch_loss(rows[place : place + 1], columns, candidates, batch.slots, users, labels)
        assert loss.item() == pytest.approx(expected, abs=1e-10)
