"""What a short run of every method gives: losses, ranks, and the numbers that must repeat exactly.

    python tests/golden.py     # writes tests/parity/golden.json anew; look at its difference before committing it

Two epochs of the micro towers on a small shop, one thread, seed 0.
"""

import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import torch
from cells import is_kind

from tpmebench.bench.meters.environment import cpu_model
from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter, count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.preparation import prepare_process
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.files import digest
from tpmebench.methods.registry import methods
from tpmebench.metrics import RANKING, means

FILE = Path(__file__).parent / "parity" / "golden.json"
METHODS = [name for name, method in methods().items() if method.kind == "method" and not is_kind(name)]


def machine() -> dict[str, str]:
    """Where ranks repeat to the last bit."""
    return {"cpu": cpu_model(), "torch": torch.__version__.partition("+")[0], "system": platform.system()}


def run(method: str) -> dict[str, Any]:
    """The numbers of one method."""
    cell = Cell(
        method=method,
        dataset="bazaar:items=200,users=48",
        backbones=BackboneChoice(text="micro", image="micro", image_side=32),
        training=Training(epochs=2, batch=16, learning_rate_scale=5.0),
        threads=1,
    )
    prepare_process(cell)
    parts = assemble(cell, lambda *_: None)
    assert isinstance(parts, TrainedCell)
    trainer = Trainer(parts)
    rule = RankingRule(cell.head.max_length, cell.evaluation.repeat_targets)
    evaluator = Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)
    parameters, operations = count_parameters(trainer), count_operations(trainer)
    memory = tensor_memory(trainer, evaluator)
    trainer.warm_up()
    torch.manual_seed(cell.seed)
    progress = Fit(parts, trainer, evaluator, MemoryMeter(parts.device)).run(Progress(), lambda _: None)
    assert progress.test_ranks is not None and memory.evaluation is not None
    return {
        "losses": [epoch.loss for epoch in progress.epochs],
        "test": means(RANKING, progress.test_ranks),
        "ranks": digest(progress.test_ranks.tobytes()),
        "exact": {
            "parameters": [parameters.trainable, parameters.total, parameters.saved_bytes],
            "operations": [operations.forward, operations.backward, operations.items, operations.slots],
            "epochs": [[epoch.steps, epoch.users, epoch.items] for epoch in progress.epochs],
            "bytes": memory.kinds | {"evaluation": memory.evaluation.tensors},
            "feature cache": parts.cache.bytes if parts.cache else 0,
        },
    }


def main() -> None:
    """Writes the file."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TPMEBENCH_CACHE"] = cache
        found = {"machine": machine(), "methods": {method: run(method) for method in METHODS}}
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
