"""What the harness adds to a training step: its epoch against a bare loop over the same batches, alternating.

    python tests/soak/overhead.py [METHOD] [ROUNDS]

Prints the median ratio with the quartiles. Both loops read the same inputs and take the same steps; the bare one has no
clock and no loss kept.
"""

import statistics
import sys
import time

from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training


def bare_epoch(trainer: Trainer, number: int) -> float:
    """Seconds of an epoch without the harness."""
    trainer.recommender.train()
    start = time.perf_counter()
    for batch in trainer.batches.epoch(number):
        inputs = trainer.content.gather(batch.items)
        loss = trainer.recommender.loss(batch, inputs)
        loss.backward()
        trainer.optimiser.step()
        trainer.optimiser.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def main(method: str, rounds: int) -> None:
    """Alternates the two loops and prints the ratio."""
    micro = BackboneChoice(text="micro", image="micro")
    cell = Cell(method=method, dataset="bazaar", backbones=micro, training=Training())
    parts = assemble(cell, lambda *_: None)
    assert isinstance(parts, TrainedCell)
    trainer = Trainer(parts)
    trainer.warm_up()
    ratios = []
    for number in range(rounds):
        bare = bare_epoch(trainer, number)
        ratios.append(trainer.epoch(number).times.total / bare)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{method}: harness / bare loop {middle:.4f} (quartiles {low:.4f} to {high:.4f}, {rounds} rounds)")


if __name__ == "__main__":
    arguments = dict(zip(("method", "rounds"), sys.argv[1:], strict=False))
    main(arguments.get("method", "iisan-cached"), int(arguments.get("rounds", 20)))
