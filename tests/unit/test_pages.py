"""What a report says first of a comparison, and the numbers that its exports hold."""

import pandas as pd
import pytest

from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.analysis.verdicts import verdicts
from tpmebench.reports.formats.export import flat
from tpmebench.reports.formats.sentences import verdict_sentences
from tpmebench.reports.pages import build
from tpmebench.reports.tables.table import Column, Table


def comparison(records: list) -> Comparison:
    [found] = compare([Result(record) for record in records])
    return found


def test_a_page_begins_with_verdicts_and_where_they_come_from(make_record, undrawn) -> None:
    one = comparison([make_record(method) for method in ("popularity", "fft", "lora", "iisan-cached")])
    page = build(one, CostWeights(), "fft")
    assert page.findings == tuple(verdict_sentences(verdicts(one, CostWeights(), "fft", pd.DataFrame())))
    assert page.findings[0].startswith("No row that costs less keeps the HR@10 of fft (0.07")
    assert page.provenance == (
        "bazaar:items=2000,users=2500 · towers micro · one seed (0) · Example CPU @ 2.5 GHz, 2 cores, 2 threads · "
        "2026-01-01 · commit 0123456789ab · none still improving at the end"
    )
    assert [section.name for section in page.first_screen] == ["overview"]
    weights = next(section for section in page.rest if section.name == "weights")
    assert weights.text[0].startswith("Lowest TPME: iisan-cached (0.0")
    assert weights.text[0].endswith("over 3 rows. TPME leaves accuracy out.")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"popularity": "ok"}, "No method was trained to its end with all three costs measured"),
        ({"fft": "oom", "popularity": "ok"}, "No method was trained to its end with all three costs measured"),
        ({"fft": "ok", "lora": "oom"}, "Only fft has all three costs, so there is nothing to choose."),
    ],
)
def test_without_an_answer_the_reason_stands_there(make_record, undrawn, rows: dict, says: str) -> None:
    records = [make_record(method, status=status) for method, status in rows.items()]
    first, *others = build(comparison(records), CostWeights(), "fft").findings
    assert first.startswith(says) and not others


@pytest.mark.parametrize(("methods", "shown"), [(("fft", "lora"), False), (("fft", "lora", "iisan"), True)])
def test_below_three_ranked_rows_there_is_no_tpme_but_ratios(make_record, undrawn, methods: tuple, shown: bool) -> None:
    one = comparison([make_record(method) for method in ("popularity", *methods)])
    page = build(one, CostWeights(), "fft")
    main = page.tables()[0]
    assert ("TPME" in main.texts.columns) is shown
    assert any(note.startswith("No TPME") for note in main.notes) is not shown
    assert ("weights" in {section.name for section in page.sections}) is shown
    assert not shown or "T, of reference" not in main.texts.columns
    assert main.texts.loc["fft", "cost ratio"] == "1.00"
    if not shown:
        times = one.methods["time"].to_dict()
        assert main.frame.loc["lora", "time ratio"] == pytest.approx(times["lora"] / times["fft"])
        assert main.texts.loc["popularity", "T, of reference"] == "–"


def test_exports_hold_numbers_as_they_were_measured() -> None:
    value, deviation = 0.123456789012345, 0.000123456789012
    frame = pd.DataFrame({"HR@10": [value], "HR@10 sd": [deviation], "family": ["full"]}, index=["fft"])
    table = Table("main", "x", frame, (Column("HR@10", "HR@10", "metric"), Column("family", "family")))
    number, word = flat(table).to_dict("records")
    assert (number["value"], number["deviation"]) == (value, deviation)
    assert (number["row"], number["column"], number["text"]) == ("fft", "HR@10", "0.1235 ± 0.0001")
    assert word["text"] == "full" and pd.isna(word["value"])
