"""Records as a table, a row a cell: names, types, what is missing, and the files that hold it."""

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tpmebench.reports.analysis.cells import row
from tpmebench.reports.analysis.frame import FIELDS, frame
from tpmebench.reports.formats import export
from tpmebench.reports.report import ReportOptions, write_report

OF_ACCURACY = ("HR@", "NDCG@", "MRR", "users_")
DOCS = Path(__file__).parents[2] / "docs" / "ecosystem.md"


def test_a_row_holds_what_its_record_does(make_record) -> None:
    one = make_record("iisan-cached", seed=3, options={"layers": "all"})
    found = frame([one]).iloc[0]
    assert (found["cell_id"], found["method"], found["seed"]) == (one.cell_id, "iisan-cached", 3)
    assert (found["options"], found["rates"]) == ('{"layers":"all"}', "{}")
    assert found["memory"] == one.memory.peak
    assert found["parameters"] == one.parameters.trainable
    assert found["flops_forward"] == one.compute.forward
    assert found["time"] == pytest.approx(sum(epoch.total for epoch in one.time.epochs[1:]) / 11)
    assert found["HR@10"] == one.accuracy.test.metrics["HR@10"]
    assert found["valid HR@10"] == one.accuracy.valid.metrics["HR@10"]
    assert found["HR@10 cold"] == one.accuracy.slices["cold"].metrics["HR@10"]
    assert found["epochs_asked"] == one.cell.training.epochs
    assert tuple(found[["batch", "cpu", "cores", "torch"]]) == (64, "Example CPU @ 2.5 GHz", 2, "2.13.0")
    assert found["started"] == pd.Timestamp(one.started)


def test_what_a_cell_has_not_is_missing_and_changes_no_type(make_record) -> None:
    whole, broken = make_record("fft"), make_record("lora", status="oom")
    ranked = make_record("popularity")
    alone, together = frame([broken]), frame([ranked, broken, whole])
    for name in (field.name for field in FIELDS):
        assert alone[name].dtype == together[name].dtype == frame([])[name].dtype, name
    lost = together[together["status"] == "oom"].iloc[0]
    for name in ("time", "memory", "parameters", "HR@10", "valid HR@10", "users_warm", "best_epoch", "compile"):
        assert pd.isna(lost[name]) == (name != "compile"), name
    assert lost["error"] == broken.error
    assert pd.isna(together["error"][2])


def test_the_page_names_every_column() -> None:
    page = DOCS.read_text(encoding="utf-8")
    lines = "\n".join(f"| `{field.name}` | {field.type} | {field.meaning} |" for field in FIELDS)
    assert lines in page, f"the table of columns in {DOCS.name} should be:\n{lines}"


def test_whatever_is_told_of_a_record_has_a_column(make_record) -> None:
    """A cost that is added to records gets a name, a type and a meaning here."""
    told = {name for name in row(make_record("fft")) if not name.startswith(OF_ACCURACY)} - {"machine"}
    assert told <= {field.name for field in FIELDS}
    assert len({field.name for field in FIELDS}) == len(FIELDS)


def test_tasks_of_other_metrics_share_a_table(make_record) -> None:
    own = make_record("fft").model_dump(mode="json")
    own |= {"metrics": [{"name": "AUC"}], "primary_metric": "AUC"}
    own["accuracy"] = {"best_epoch": 1, **{part: {"users": 9, "metrics": {"AUC": 0.5}} for part in ("valid", "test")}}
    other = type(make_record("fft")).model_validate(own)
    both = frame([make_record("lora"), other])
    assert both["AUC"].isna().tolist() == [True, False]
    assert both["HR@10"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01T10:00:00.5+02:00", "2026-01-01T08:00:00.500000+00:00"),
        ("0001-01-01T00:00:00+23:00", None),
        ("1500-05-05", "1500-05-05T00:00:00+00:00"),
    ],
)
def test_moments_are_of_one_zone(make_record, text: str, moment: str | None) -> None:
    record = make_record("fft").model_copy(update={"started": text})
    found = frame([record])["started"][0]
    assert pd.isna(found) if moment is None else found.isoformat() == moment


def test_files_hold_the_same_table(tmp_path, make_record, write_study, undrawn) -> None:
    records = [make_record(method, seed=seed) for method in ("fft", "lora", "popularity") for seed in (0, 1)]
    failed = make_record("bitfit", status="crashed").model_copy(update={"error": "=1+1\nsecond line"})
    write_study(tmp_path, [*records, failed])
    written = write_report([tmp_path], ReportOptions(("csv", "parquet")))
    assert {path.name for path in written} == {"report.csv", "records.csv", "report.parquet", "records.parquet"}
    kept = pd.read_parquet(tmp_path / "records.parquet")
    schema = pq.read_schema(tmp_path / "records.parquet")
    assert len(kept) == 7
    types = {field.name: str(schema.field(field.name).type).removeprefix("large_") for field in FIELDS}
    arrow = {"text": "string", "integer": "int64", "number": "double", "yes or no": "bool"}
    assert types == {field.name: arrow.get(field.type, "timestamp[us, tz=UTC]") for field in FIELDS}
    text = (tmp_path / "records.csv").read_text()
    assert "nan" not in text.lower()
    assert "<NA>" not in text
    shown = pd.read_csv(io.StringIO(text))
    assert list(shown) == list(kept)
    for name in ("time", "memory", "HR@10", "valid MRR", "parameters"):
        pd.testing.assert_series_equal(shown[name], kept[name], check_dtype=False)
    assert shown["error"].dropna().tolist() == [r"'=1+1\nsecond line"]
    assert kept["error"].dropna().tolist() == ["=1+1\nsecond line"]


def test_a_frame_without_rows_is_written(make_record) -> None:
    empty = frame([])
    assert export.csv(empty).strip() == ",".join(field.name for field in FIELDS)
    assert len(pd.read_parquet(io.BytesIO(export.parquet(empty)))) == 0
