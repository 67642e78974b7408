"""Records in a local store of the real MLflow; skipped where it is not installed, for it brings thirty packages."""

import json
from pathlib import Path

import pytest

from tpmebench.bench.running.trackers import Told

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install -e '.[mlflow]'")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_record):
    """What MLflow keeps of three records: one that ended well, one that failed, one of a ranking."""
    import mlflow  # pyright: ignore[reportMissingImports]

    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        said: list[str] = []
        told = Told(["mlflow"], said.append)
        lora = make_record("lora", seed=2, options={"r": 16}, training={"epochs": 12})
        long = make_record("fft", status="oom").model_copy(update={"error": "x" * 9000})
        records = [lora, long, make_record("popularity")]
        for record in records:
            told.record(record)
        assert not said
        client = mlflow.tracking.MlflowClient()
        experiment = client.get_experiment_by_name("demo")
        runs = client.search_runs([experiment.experiment_id])
        yield client, {run.data.tags["cell_id"]: run for run in runs}, records


def test_a_run_a_record(store) -> None:
    _, runs, (lora, failed, ranked) = store
    assert len(runs) == 3
    assert [runs[each.cell_id].info.status for each in (lora, failed, ranked)] == ["FINISHED", "FAILED", "FINISHED"]
    assert runs[lora.cell_id].info.run_name == "lora, seed 2"
    assert runs[failed.cell_id].data.tags["status"] == "oom"
    assert runs[failed.cell_id].data.metrics == {}
    assert "HR_10" in runs[ranked.cell_id].data.metrics


def test_settings_results_and_epochs_stand_in_it(store) -> None:
    client, runs, (lora, *_) = store
    run = runs[lora.cell_id]
    assert run.data.params["method"] == "lora"
    assert run.data.params["options.r"] == "16"
    assert run.data.params["training.epochs"] == "12"
    assert run.data.params["backbones.text"] == "micro"
    assert run.data.tags["commit"] == lora.environment.commit
    assert run.data.tags["study"] == "demo"
    expected = {
        "HR_10": lora.accuracy.test.metrics["HR@10"],
        "valid HR_10": lora.accuracy.valid.metrics["HR@10"],
        "HR_10 cold": lora.accuracy.slices["cold"].metrics["HR@10"],
        "memory": lora.memory.peak,
        "parameters": lora.parameters.trainable,
        "flops_forward": lora.compute.forward,
        "time": sum(epoch.total for epoch in lora.time.epochs[1:]) / 11,
    }
    assert {name: run.data.metrics[name] for name in expected} == pytest.approx(expected)
    assert not {"seed", "batch", "threads", "compile", "dropout"} & set(run.data.metrics)
    history = client.get_metric_history(run.info.run_id, "epoch/valid HR_10")
    values = [(entry.step, entry.value) for entry in sorted(history, key=lambda entry: entry.step)]
    assert values == [(number, epoch.valid["HR@10"]) for number, epoch in enumerate(lora.time.epochs, 1)]


def test_the_record_is_kept_with_it(store, tmp_path: Path) -> None:
    client, runs, (lora, *_) = store
    kept = client.download_artifacts(runs[lora.cell_id].info.run_id, f"{lora.cell_id}.json", str(tmp_path))
    assert json.loads(Path(kept).read_text()) == lora.model_dump(mode="json")


def test_nothing_of_the_machine_is_told_that_the_record_does_not_tell(store) -> None:
    _, runs, records = store
    for record in records:
        run = runs[record.cell_id]
        told = json.dumps([dict(run.data.tags), dict(run.data.params)])
        assert str(Path.home()) not in told
        assert not {"mlflow.user", "mlflow.source.name"} & set(run.data.tags)
        assert run.info.user_id in (None, "", "unknown")
