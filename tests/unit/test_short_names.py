"""What towers and datasets are called in a report, which tells nobody's home directory."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.cell import BackboneChoice
from tpmebench.naming import short_name, without_homes
from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.formats.html import links
from tpmebench.reports.pages import Page
from tpmebench.reports.report import FORMATS, ReportOptions, write_report


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("bert-base", "bert-base"),
        ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
        ("/home/ann/models/minilm", "minilm"),
        ("~/models/minilm/", "minilm"),
        ("./minilm", "minilm"),
        ("runs/models/minilm", "minilm"),
        (r"C:\Users\ann\minilm", "minilm"),
        ("/c/models--google-bert--bert-base/snapshots/86b5e0934494bd15", "google-bert/bert-base"),
        ("/", "/"),
        ("bazaar:items=60,users=40", "bazaar:items=60,users=40"),
        ("folder:/home/ann/my shop/:text=title", "folder:my shop:text=title"),
        ("iisan-release:data/amazon/scientific", "iisan-release:scientific"),
        ("file:Class", "file:Class"),
    ],
)
def test_short_names(name: str, short: str) -> None:
    assert short_name(name) == short
    assert short_name(short) == short


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no file /home/ann/shop/a.csv, and /home/bob", "no file ~/shop/a.csv, and ~"),
        ("/Users/ann/x:12 /mnt/home/ann/x /root/x /rooted/x", "~/x:12 ~/x ~/x /rooted/x"),
        (r"C:\Users\ann\x", r"~\x"),
        ("at home/ann, in homes/a and /data/shop", "at home/ann, in homes/a and /data/shop"),
        ("~/shop", "~/shop"),
    ],
)
def test_homes_are_left_out(text: str, clean: str) -> None:
    assert without_homes(text) == clean


@given(st.text(max_size=60))
def test_what_has_no_home_stays(text: str) -> None:
    assert short_name(text) or not text
    assert without_homes(text) == text or "home" in text or "Users" in text or "/root" in text


def test_a_report_leaks_no_home_directory(tmp_path, make_record, write_study, undrawn) -> None:
    """Not in names, errors or warnings; the records themselves stay as they are."""
    towers = BackboneChoice(text="/home/zelda/models/minilm", image="/home/zelda/models/dinov2")
    where = {"backbones": towers, "dataset": "folder:/home/zelda/shop"}
    records = [make_record(method, **where) for method in ("fft", "lora", "bitfit")]
    records[0].warnings.append("no picture in /home/zelda/shop/pictures")
    failed = make_record("adapter", status="crashed", **where)
    failed.error = "FileNotFoundError: '/home/zelda/shop/a.csv'"
    write_study(tmp_path, [*records, failed])
    for path in write_report([tmp_path], ReportOptions(FORMATS)):
        assert b"zelda" not in path.read_bytes(), path.name
    page = (tmp_path / "report.md").read_text()
    assert page.startswith("# demo: folder:shop, minilm + dinov2")
    assert "no picture in \\~/shop/pictures" in page and "'\\~/shop/a.csv'" in page


def test_a_page_links_no_record_through_a_home_directory_that_it_is_not_in(make_record) -> None:
    record = make_record("fft")
    [comparison] = compare([Result(record, Path("/home/zelda/my runs/demo"))])
    page = Page(comparison, (), ())
    assert links(page, Path("/srv/www/demo")) == links(page, Path("/home/ann")) == {}
    assert links(page, Path("/home/zelda/report")) == {
        record.cell_id: f"../my%20runs/demo/records/{record.cell_id}.json"
    }
