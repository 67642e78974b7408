"""A method that `bench new` wrote trains as it is."""

from pathlib import Path

from tpmebench.reports.reading import load_records


def test_a_new_method_trains_on_a_tiny_shop(bench, tmp_path: Path):
    assert bench("new", "method", "my-method", cwd=tmp_path).returncode == 0
    small = ["--dataset", "bazaar:items=60,users=40", "--epochs", "1", "--set", "references=false", "--out", "out"]
    ended = bench("run", "--methods", "./my_method.py:MyMethod:layers=1", *small, "--strict", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (record,) = load_records(tmp_path / "out")
    assert (record.cell.method, record.cell.options) == ("my_method:MyMethod", {"layers": 1})
    assert record.parameters is not None
    towers = {name: trained for name, (trained, _) in record.parameters.parts.items() if "tower" in name}
    assert len(towers) == 2 and all(towers.values()), "normalisations of both towers"
