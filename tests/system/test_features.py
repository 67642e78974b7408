"""A dataset of features alone, through the command: what can be trained is, and the rest is refused with a reason."""

import json
from pathlib import Path

from features_shop import write


def test_a_dataset_of_features_is_run(bench, tmp_path: Path) -> None:
    (tmp_path / "vectors").mkdir()
    write(tmp_path / "vectors")
    study = ["run", "--dataset", "vectors", "--methods", "frozen-cached,lora,iisan-cached", "--epochs", "1"]
    named = bench(*study, "--out", "out", cwd=tmp_path)
    assert named.stderr.strip().endswith("has no pictures, but features of them: use --backbones features")
    ended = bench(*study, "--backbones", "features", "--out", "out", cwd=tmp_path)
    assert "text features: 1 of 19 missing, image features: all there" in ended.stdout, ended.stdout + ended.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "records").glob("*.json")]
    found = {record["cell"]["method"]: record for record in records}
    ran = {name for name, record in found.items() if record["status"] == "ok"}
    assert ran == {"frozen-cached", "content-knn", "sasrec-id", "popularity", "random"}, ended.stdout
    for name in ("lora", "iisan-cached"):
        assert found[name]["status"] == "refused"
        assert found[name]["error"].endswith("use frozen-cached or content-knn")
