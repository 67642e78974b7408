"""What a report says first of a comparison, and the numbers that its exports hold."""

import pandas as pd
import pytest

from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.formats.export import flat
from tpmebench.reports.pages import build, findings
from tpmebench.reports.tables.table import Column, Table


def comparison(records: list) -> Comparison:
    [found] = compare([Result(record) for record in records])
    return found


def test_the_answer_names_the_lowest_tpme_the_highest_accuracy_and_the_last(make_record) -> None:
    one = comparison([make_record(method) for method in ("popularity", "fft", "lora", "iisan-cached")])
    answer, costs = findings(one, CostWeights())
    assert answer.startswith("Lowest TPME: iisan-cached (0.0") and "; highest HR@10: fft (0.07" in answer
    assert costs.startswith("iisan-cached takes 1.1") and "; fft, the last, 14." in costs
    assert build(one, CostWeights(), "fft").findings == (answer, costs)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"popularity": "ok"}, "Only reference rows were run, so there is nothing to rank."),
        ({"fft": "oom", "popularity": "ok"}, "No method has been trained to its end, so there is nothing to rank."),
        ({"fft": "ok", "lora": "oom"}, "Only fft has all three costs: alone, its TPME is 0 and says nothing."),
    ],
)
def test_without_an_answer_the_reason_stands_there(make_record, rows: dict, says: str) -> None:
    records = [make_record(method, status=status) for method, status in rows.items()]
    assert findings(comparison(records), CostWeights()) == [says]


def test_exports_hold_numbers_as_they_were_measured() -> None:
    value, deviation = 0.123456789012345, 0.000123456789012
    frame = pd.DataFrame({"HR@10": [value], "HR@10 sd": [deviation], "family": ["full"]}, index=["fft"])
    table = Table("main", "x", frame, (Column("HR@10", "HR@10", "metric"), Column("family", "family")))
    number, word = flat(table).to_dict("records")
    assert (number["value"], number["deviation"]) == (value, deviation)
    assert (number["row"], number["column"], number["text"]) == ("fft", "HR@10", "0.1235 ± 0.0001")
    assert word["text"] == "full" and pd.isna(word["value"])
