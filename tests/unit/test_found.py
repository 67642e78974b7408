"""What is said of the data before anything trains, and what is refused there."""

from pathlib import Path

import pytest
from PIL import Image

from tpmebench.bench.console import Screen
from tpmebench.bench.study.found import describe_data
from tpmebench.bench.study.study import Study
from tpmebench.datasets.preparation.options import chosen
from tpmebench.datasets.preparation.prepare import Request, prepare_dataset
from tpmebench.errors import BenchError
from tpmebench.reports.analysis.data_facts import missing_warnings


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Ten items, four users of six purchases and one of two; pictures are PNG files."""
    folder = tmp_path / "shop"
    (folder / "pictures").mkdir(parents=True)
    (folder / "items.csv").write_text("id,title\n" + "".join(f"i{n},title {n}\n" for n in range(10)))
    rows = [f"u{user},i{(user + step) % 9},{step}" for user in range(4) for step in range(6)]
    (folder / "ratings.csv").write_text("user,item,time\n" + "\n".join([*rows, "u9,i0,1", "u9,i1,2"]) + "\n")
    for n in range(10):
        Image.new("RGB", (4, 4)).save(folder / "pictures" / f"i{n}.png")
    describe(folder, "{id}.png")
    return folder


def describe(folder: Path, pattern: str) -> None:
    (folder / "dataset.toml").write_text(
        'name = "shop"\n[interactions]\nfile = "ratings.csv"\nuser = "user"\nitem = "item"\ntime = "time"\n'
        '[items]\nfile = "items.csv"\nid = "id"\ntext = "title"\n'
        f'[images]\nfolder = "pictures"\npattern = "{pattern}"\n'
    )


def said(capsys: pytest.CaptureFixture[str], study: Study, *, read: bool = True) -> str:
    describe_data(study, Screen(), read=read)
    return " ".join(capsys.readouterr().out.split())


def test_what_was_read_and_dropped_is_said(shop: Path, capsys: pytest.CaptureFixture[str]):
    text = said(capsys, Study(datasets=[str(shop)]))
    assert "4 users (1 dropped: with too few interactions), 9 items (1 dropped" in text
    assert "24 interactions (2 dropped" in text
    assert "titles: all there, pictures: all there" in text and "warning" not in text
    assert "read from ratings.csv, comma-separated; items.csv, comma-separated" in text


def test_how_data_come_split_is_said(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = chosen(split="global-time", min_length=3)
    prepare_dataset(Request(str(shop), None, options), tmp_path / "out", lambda *_: None)
    text = said(capsys, Study(datasets=[str(tmp_path / "out")]))
    assert "split global-time: 4 users trained on, 4 in validation, 4 in test" in text and "read from" not in text


@pytest.mark.parametrize("read", [True, False])
def test_a_pattern_that_fits_no_picture_is_refused_with_both_names(shop: Path, capsys, read: bool):
    describe(shop, "{id}_large.jpg")
    with pytest.raises(BenchError, match=r"\{id\}_large\.jpg.*i0\.png|i0_large\.jpg.*i0\.png"):
        describe_data(Study(datasets=[str(shop)]), Screen(), read=read)
    text = said(capsys, Study(datasets=[str(shop)], missing_images="neutral"), read=read)
    assert ("pictures: 9 of 9 missing (looked for 'i0_large.jpg', there is 'i0.png')" in text) is read
    said(capsys, Study(datasets=[str(shop)], modalities="text"), read=read)


@pytest.mark.parametrize(("gone", "warned", "refused"), [(0, False, False), (1, True, False), (5, True, True)])
def test_missing_pictures_are_a_warning_and_when_most_are_an_error(
    shop: Path, capsys: pytest.CaptureFixture[str], gone: int, warned: bool, refused: bool
):
    for n in range(gone):
        (shop / "pictures" / f"i{n}.png").unlink()
    study = Study(datasets=[str(shop)])
    if refused:
        with pytest.raises(BenchError, match=r"5 of 9 items have no picture.*missing_images=neutral"):
            describe_data(study, Screen(), read=True)
    else:
        assert ("warning" in said(capsys, study)) == warned


def test_an_item_dropped_for_want_of_a_picture_is_counted_once(shop: Path, capsys: pytest.CaptureFixture[str]):
    """Item 9 is in no kept history, whether it has a picture or not."""
    (shop / "pictures" / "i8.png").unlink()
    text = said(capsys, Study(datasets=[str(shop)], missing_images="drop"))
    assert "8 items (1 dropped: in no kept history)" in text
    assert "1 item dropped without picture" in text


@pytest.mark.parametrize("old", ['user = "user"', 'text = "title"', 'time = "time"'])
def test_headers_are_looked_at_without_reading_a_row(shop: Path, capsys: pytest.CaptureFixture[str], old: str):
    (shop / "ratings.csv").write_text("user,item,time\nu0\n")
    assert "10 of 10 files in the picture folder" in said(capsys, Study(datasets=[str(shop)]), read=False)
    text = (shop / "dataset.toml").read_text()
    (shop / "dataset.toml").write_text(text.replace(old, f'{old[:-1]}x"'))
    with pytest.raises(BenchError, match=r"\.csv, line 1: unknown column .*did you mean"):
        describe_data(Study(datasets=[str(shop)]), Screen(), read=False)


@pytest.mark.parametrize(("missing", "lines"), [(5, 0), (6, 1)])
def test_more_than_a_twentieth_missing_stands_in_the_head(missing: int, lines: int):
    assert len(missing_warnings({"items": 100, "missing images": missing})) == lines
    assert len(missing_warnings({"items": 100, "missing titles": missing})) == lines
    assert missing_warnings({"missing images": missing}) == []
