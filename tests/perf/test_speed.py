"""Times one training step, a cache read and a ranking for every method; `make perf` writes them to a JSON file.

`extra_info` carries what repeats exactly (parameters, operations, tensor bytes), which `bench check` compares.
"""

import pytest
import torch
from cells import is_kind, trained

from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.measuring import count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.methods.features.content import CachedContent, WholeContent
from tpmebench.methods.registry import methods

TRAINED = [name for name, method in methods().items() if method.kind == "method" and not is_kind(name)]


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    """Gives the parts of a small cell of a method, built once; of a tiny one where nothing is timed."""
    size = "items=1000,users=320" if request.config.getoption("benchmark_enable") else "items=100,users=40"
    patch = pytest.MonkeyPatch()
    patch.setenv("TPMEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    built: dict[str, tuple[TrainedCell, Trainer, Evaluator]] = {}

    def build(name: str) -> tuple[TrainedCell, Trainer, Evaluator]:
        if name not in built:
            cell = Cell(
                method=name,
                dataset=f"bazaar:{size}",
                backbones=BackboneChoice(text="micro", image="micro"),
                training=Training(),
            )
            parts = trained(cell)
            trainer = Trainer(parts)
            evaluator = Evaluator(
                parts.recommender, parts.content, parts.dataset, RankingRule(), parts.device, trainer.autocast
            )
            built[name] = (parts, trainer, evaluator)
        return built[name]

    yield build
    patch.undo()


@pytest.mark.parametrize("name", TRAINED)
def test_training_step(benchmark, assembled, name: str) -> None:
    _, trainer, evaluator = assembled(name)
    operations, memory = count_operations(trainer), tensor_memory(trainer, evaluator)
    assert memory.peak
    benchmark.extra_info.update(
        parameters=count_parameters(trainer).trainable,
        operations=operations.forward + operations.backward,
        tensor_bytes=memory.peak,
    )
    batch, inputs = trainer.heaviest_batch()
    trainer.recommender.train()
    loss = benchmark.pedantic(trainer.step, args=(batch, inputs), rounds=5, warmup_rounds=1)
    assert torch.isfinite(loss)


@pytest.mark.parametrize("name", [name for name in TRAINED if methods()[name].uncached])
def test_cache_read(benchmark, assembled, name: str) -> None:
    parts, trainer, _ = assembled(name)
    assert isinstance(parts.content, CachedContent | WholeContent)
    benchmark.extra_info["cache_bytes"] = parts.cache.bytes
    batch, _ = trainer.heaviest_batch()
    inputs = benchmark(parts.content.gather, batch.items)
    read = [levels[-1] for levels in inputs.states.values()] + [each.mask for each in (inputs.sequences or {}).values()]
    assert set(map(len, read)) == {len(batch.items)}


@pytest.mark.parametrize("name", TRAINED)
def test_ranking(benchmark, assembled, name: str) -> None:
    parts, _, evaluator = assembled(name)
    embeddings = evaluator.embeddings()
    ranks = benchmark.pedantic(evaluator.ranks, args=(parts.dataset.test, embeddings), rounds=3, warmup_rounds=1)
    assert len(ranks) == len(parts.dataset.test)
