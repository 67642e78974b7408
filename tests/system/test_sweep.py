"""A sweep and a search as a user runs them: one report, one row a method, and nothing run twice."""

import json
from pathlib import Path
from typing import Any

SHOP = ["--dataset", "bazaar:items=60,users=40", "--epochs", "1", "--set", "references=false", "--out", "study"]


def records(study: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((study / "records").glob("*.json"))]


def rows(report: str) -> list[str]:
    """The rows of the main table, without its head."""
    lines = report.partition("### Accuracy, costs and TPME")[2].partition("T: mean seconds")[0].splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| ")][2:]


def test_a_sweep_over_two_keys_of_two_methods_is_one_report_with_one_row_a_method(bench, tmp_path: Path) -> None:
    methods = ("sasrec-id", "frozen-cached")
    sweep = ["--sweep", "*.learning_rate_scale=1,30", "--sweep", "*.head_lr=1e-3,1e-2", "--methods", ",".join(methods)]
    done = bench("run", *sweep, *SHOP, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sasrec-id: 4 settings of head_lr, learning_rate_scale" in done.stdout
    found = records(tmp_path / "study")
    assert len(found) == 8
    report = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert sorted(rows(report)) == sorted(methods)
    assert report.count("### Accuracy, costs and TPME") == 1, "one comparison"
    for method in methods:
        valid = {each["cell_id"]: each["accuracy"]["valid"]["metrics"]["HR@10"] for each in found
                 if each["cell"]["method"] == method}  # fmt: skip
        of_method = report.partition(f"**Settings tried of {method}**")[2]
        [chosen] = [line for line in of_method.splitlines()[:8] if ", chosen |" in line]
        [cell_id] = [cell_id for cell_id in valid if cell_id in chosen]
        assert valid[cell_id] == max(valid.values())


def test_a_search_goes_on_where_it_stopped_and_runs_its_choice_on_all_seeds(bench, tmp_path: Path) -> None:
    tune = ["tune", "--points", "2", "--methods", "sasrec-id", "--seeds", "2", *SHOP]
    said = bench(*tune, "--dry-run", cwd=tmp_path)
    assert "sasrec-id: 2 settings of head_lr, learning_rate_scale" in said.stdout
    assert (
        "2 of 2 cells would run, then 2 more: of each search the setting that is best on valid, on 2 seeds"
        in said.stdout
    )
    done = bench(*tune, "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = records(tmp_path / "study")
    assert {each["beside"] for each in found} == {1}
    points = [each for each in found if each["cell"]["search"]]
    assert [len(points), len(found)] == [2, 4]

    def valid(record: dict[str, Any]) -> float:
        return record["accuracy"]["valid"]["metrics"]["HR@10"]

    chosen = {str(each["cell"]["rates"]) for each in found if each not in points}
    assert len(chosen) == 1
    [point] = [each for each in points if str(each["cell"]["rates"]) in chosen]
    assert valid(point) == max(map(valid, points))
    assert rows((tmp_path / "study" / "report.md").read_text(encoding="utf-8")) == ["sasrec-id"]
    again = bench(*tune, cwd=tmp_path)
    assert "4 cells, 0 to run (4 of 4 done earlier)" in again.stdout
    assert records(tmp_path / "study") == found
