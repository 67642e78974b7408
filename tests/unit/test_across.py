"""The summary over datasets, worked by hand."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.cell import Training
from tpmebench.reports.analysis.across import alike, geometric, over_datasets
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report
from tpmebench.reports.tables.across import across_table

Make = Callable[..., Record]
SHOPS = ("bazaar", "bazaar:seed=1", "bazaar:seed=2")
REACHED = {"fft": (0.10, 0.20, 0.10), "lora": (0.20, 0.20, 0.05), "frozen": (0.05, 0.05, 0.05)}


def records(make: Make) -> list[Record]:
    found = []
    for method, values in REACHED.items():
        for shop, value in zip(SHOPS, values, strict=True):
            record = make(method, dataset=shop).model_copy(deep=True)
            assert record.accuracy is not None
            record.accuracy.test.metrics["HR@10"] = value
            found.append(record)
    return found


def comparisons(*found: Record) -> list[Comparison]:
    return compare([Result(record) for record in found])


def test_ranks_ratios_and_wins_by_hand(make_record: Make) -> None:
    """Ranks of fft 2, 1½ (equal to lora), 1; of lora 1, 1½, 2½ (equal to frozen); of frozen 3, 3, 2½."""
    [group] = alike(comparisons(*records(make_record)))
    frame = over_datasets(group, "fft").rows
    assert list(frame.index) == ["fft", "lora", "frozen"]
    assert frame["rank"].tolist() == pytest.approx([1.5, 5 / 3, 17 / 6])
    assert frame["ratio"].tolist() == pytest.approx([1.0, (2 * 1 * 0.5) ** (1 / 3), (0.5 * 0.25 * 0.5) ** (1 / 3)])
    assert frame["wins"].tolist() == [2, 2, 0]
    assert frame["datasets"].tolist() == [3, 3, 3]


def test_an_interval_by_hand() -> None:
    """Logarithms log 2, 0, −log 2: mean 0, deviation log 2, Student's t of 2 degrees 4.302653."""
    ratio, low, high = geometric([2, 1, 1], [1, 1, 2])
    width = 4.302653 * math.log(2) / math.sqrt(3)
    assert (ratio, low, high) == pytest.approx((1, math.exp(-width), math.exp(width)), rel=1e-6)
    assert all(map(math.isnan, geometric([1, 0], [1, 1]))), "nothing is how many times 0"


def test_only_what_differs_in_its_dataset_alone_is_summed_up(make_record: Make) -> None:
    one, other = make_record("fft"), make_record("fft", dataset="shop", training=Training(batch=32))
    assert alike(comparisons(one, other)) == []
    assert [len(group) for group in alike(comparisons(one, make_record("fft", dataset="shop")))] == [2]


def test_a_row_that_a_dataset_lacks_is_left_out(make_record: Make) -> None:
    kept = [r for r in records(make_record) if not (r.cell.method == "lora" and r.cell.dataset == SHOPS[1])]
    [group] = alike(comparisons(*kept))
    found = over_datasets(group, "fft")
    assert set(found.rows.index) == {"fft", "frozen"}
    assert found.left_out == {"lora": [SHOPS[0], SHOPS[2]]}
    assert found.rows["wins"].to_dict() == {"fft": 2, "frozen": 0}, "on the first lora is"
    assert found.rows["rank"].to_dict() == {"fft": pytest.approx(4 / 3), "frozen": 2.5}, "second and third of three"
    text = across_table(group, "fft").notes[-1]  # type: ignore[union-attr]
    assert text.endswith("not in this table: lora (on bazaar, bazaar:seed=2 alone).")


def test_what_a_search_chose_on_each_dataset_is_one_row(make_record: Make) -> None:
    """Of two variants of a method, each named by rates that differ from shop to shop."""
    found = [make_record("fft", dataset=shop) for shop in SHOPS]
    for number, shop in enumerate(SHOPS):
        for layers in ("all", "odd"):
            rates = {"learning_rate_scale": 1.0 + number + (layers == "odd") / 2}
            of_search = {"options": {"layers": layers, "r": 8}, "rates": rates, "search": ["learning_rate_scale"]}
            found.append(make_record("frozen-mix", dataset=shop, **of_search))
    [group] = alike(comparisons(*found))
    assert set(over_datasets(group, "fft").rows.index) == {"fft", "frozen-mix (layers=all)", "frozen-mix (layers=odd)"}


def test_rows_are_ranked_on_the_seeds_of_the_reference(make_record: Make) -> None:
    """lora lacks the seed that is hard for all, and is behind fft on each that it has."""
    found = []
    for shop in SHOPS[:2]:
        for method, values in {"fft": (0.10, 0.10, 0.01), "lora": (0.09, 0.08)}.items():
            for seed, value in enumerate(values):
                record = make_record(method, seed=seed, dataset=shop).model_copy(deep=True)
                assert record.accuracy is not None
                record.accuracy.test.metrics["HR@10"] = value
                found.append(record)
    [group] = alike(comparisons(*found))
    rows = over_datasets(group, "fft").rows
    assert rows["wins"].to_dict() == {"fft": 2, "lora": 0}
    assert rows["ratio"].to_dict() == {"fft": pytest.approx(1), "lora": pytest.approx(0.85)}


def test_without_the_reference_there_are_ranks_and_no_ratios(make_record: Make) -> None:
    [group] = alike(comparisons(*[r for r in records(make_record) if r.cell.method != "fft"]))
    frame = over_datasets(group, "fft").rows
    assert frame["rank"].notna().all() and frame["ratio"].isna().all()


def test_the_report_begins_with_it(make_record: Make, tmp_path: Path, undrawn: None) -> None:
    many, one = records(make_record), [r for r in records(make_record) if r.cell.dataset == "bazaar"]
    for each in (*many, *one):
        each.status = "ok"
    for name, found in (("many", many), ("one", one)):
        for record in found:
            record.save(tmp_path / name)
        write_report([tmp_path / name], ReportOptions(formats=("md", "html")))
    text = (tmp_path / "many" / "report.md").read_text()
    assert text.index("Over 3 datasets") < text.index("Accuracy, costs and TPME")
    [line] = [line for line in text.replace("\\", "").splitlines() if line.startswith("This and what follows: ")]
    assert all(shop in line for shop in SHOPS)
    assert "Over 3 datasets" in (tmp_path / "many" / "report.html").read_text()
    assert "This and what follows" not in (tmp_path / "one" / "report.md").read_text()
