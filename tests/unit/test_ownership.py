"""Folders of ours, of the user's, and links between them."""

import os
import time
from pathlib import Path

import pytest

from tpmebench.bench.commands import cache_entries as cache_tools
from tpmebench.bench.running.request import Request
from tpmebench.bench.running.session import run_study
from tpmebench.bench.study.study import Study
from tpmebench.errors import BenchError
from tpmebench.files import lock, write_atomic
from tpmebench.ownership import MARKER, check_output, claim, is_ours, remove, take
from tpmebench.reports.report import ReportOptions, write_report


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(cache: Path, kind: str = "features", name: str = "ab" * 16, marker: bool = True) -> Path:
    """A cache entry as the suite leaves it, by a version with or without markers."""
    folder = cache / kind / name
    about = '{"version": 1, "backbone": "micro", "modality": "text", "levels": [1], "dtype": "float16", "sha256": {}}'
    write_atomic(folder / "entry.json", about)
    if marker:
        write_atomic(folder / MARKER, "ours")
    return folder


def test_a_new_and_an_empty_folder_are_taken(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/inner"):
        claim(tmp_path / name, "--out")
        assert is_ours(tmp_path / name)
        claim(tmp_path / name, "--out")  # and once more


def test_a_folder_with_files_of_the_users_is_neither_taken_nor_removed(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    for attempt in (lambda: take(tmp_path), lambda: remove(tmp_path)):
        with pytest.raises(BenchError):
            attempt()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_results_stand_beside_files_of_the_users_and_never_delete_them(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BenchError, match="not ours"):
        claim(tmp_path, "--out")  # whoever doesn't know what these files are
    claim(tmp_path, "--out", beside=True)
    claim(tmp_path, "--out", beside=True)  # and once more
    with pytest.raises(BenchError, match="not made by this command"):
        remove(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["report.md", "Report.HTML", "records", "pictures", "checks", ".tpmebench"])
def test_no_results_go_where_something_of_the_users_has_a_name_that_they_take(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(BenchError, match=rf"--out .*{name}.*not ours"):
        claim(tmp_path, "--out", beside=True)
    assert not any((tmp_path / name).iterdir())


def test_looking_makes_nothing(tmp_path: Path):
    check_output(tmp_path / "new", "--out")
    assert not (tmp_path / "new").exists()


def test_a_study_of_a_version_without_markers_goes_on(tmp_path: Path, make_record, write_study):
    write_study(tmp_path / "old", [make_record("fft")])
    claim(tmp_path / "old", "--out")
    (tmp_path / "thesis" / "records").mkdir(parents=True)
    (tmp_path / "thesis" / "records" / "vinyl.json").write_text("{}")
    with pytest.raises(BenchError, match=r"--out .*thesis.*not ours"):
        claim(tmp_path / "thesis", "--out")


@pytest.mark.parametrize(
    ("content", "ours"), [("# demo\n\nLowest TPME: lora", True), ("My thesis", False), (None, True)]
)
def test_beside_records_of_an_older_version_a_report_may_be_the_users(
    tmp_path: Path, make_record, write_study, undrawn: None, content: str | None, ours: bool
):
    study = write_study(tmp_path / "old", [make_record("fft"), make_record("lora")])
    if content is not None:
        (study / "report.md").write_text(content)
    if ours:
        write_report([study], ReportOptions(formats=("md",)))
        return
    for write in (lambda: claim(study, "--out"), lambda: write_report([study], ReportOptions(formats=("md",)))):
        with pytest.raises(BenchError, match="not ours"):
            write()
    assert (study / "report.md").read_text() == content


def test_the_cache_is_no_place_for_results(cache: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(cache, target_is_directory=True)
    for folder in (cache, cache / "features" / "mine", tmp_path / "link" / "x"):
        with pytest.raises(BenchError, match="cache"):
            check_output(folder, "--out")


@pytest.mark.parametrize("name", ["records", "records/x.json", "ranks/more", "logs", "pictures/a/b"])
def test_no_results_go_among_what_a_study_keeps(tmp_path: Path, make_record, write_study, name: str):
    study = write_study(tmp_path / "study", [make_record("fft"), make_record("lora")])
    (tmp_path / "link").symlink_to(study, target_is_directory=True)
    for folder in (study / name, tmp_path / "link" / name):
        with pytest.raises(BenchError, match=rf"--out .*{name}: lies among the \w+ of a study"):
            check_output(folder, "--out")
    with pytest.raises(BenchError, match="lies among the"):
        write_report([study], _options(study / name))
    check_output(study / "joined", "--out")
    check_output(tmp_path / "records" / "study", "--out")  # a folder of the user's that is only called so


@pytest.mark.parametrize("place", ["file/x", "loop", "loop/x", "nul\0", "n" * 300])
def test_a_place_that_cannot_be_used_is_one_line(tmp_path: Path, place: str):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BenchError, match=r"^--out "):
        claim(tmp_path / place, "--out")


def test_a_report_overwrites_no_report_of_the_users(tmp_path: Path, make_record, write_study, undrawn: None):
    study = write_study(tmp_path / "study", [make_record("fft"), make_record("lora")])
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "report.md").write_text("mine")
    with pytest.raises(BenchError, match=r"--out .*notes"):
        write_report([study], _options(notes))
    assert (notes / "report.md").read_text() == "mine"
    write_report([study], _options(tmp_path / "fresh"))
    write_report([study], _options(tmp_path / "fresh"))
    assert is_ours(tmp_path / "fresh")


def _options(output: Path) -> ReportOptions:
    return ReportOptions(formats=("csv",), output=output)


def test_clearing_the_cache_leaves_what_is_not_ours(cache: Path, tmp_path: Path):
    ours = [entry(cache), entry(cache, name="cd" * 16, marker=False), entry(cache, "images", "ef" * 16)]
    foreign = [
        cache / "features" / "login" / "main.c",
        cache / "images" / "ab" / "b.jpg",
        tmp_path / "photos" / "c.jpg",
    ]
    for path in foreign:
        write_atomic(path, "mine")
    (ours[0] / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    (cache / "images" / "linked").symlink_to(tmp_path / "photos", target_is_directory=True)
    done = cache_tools.clear([])
    assert sorted(found.folder for found in done.removed) == sorted(ours)
    assert not any(folder.exists() for folder in ours)
    assert all(path.read_text() == "mine" for path in foreign)


def test_a_cache_of_an_impossible_name_is_blamed_on_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TPMEBENCH_CACHE", "n" * 400)
    with pytest.raises(BenchError, match=r"^TPMEBENCH_CACHE 'n"):
        cache_tools.clear([])


def test_nothing_is_cleared_behind_a_link(cache: Path, tmp_path: Path):
    entry(tmp_path / "elsewhere")
    cache.mkdir()
    (cache / "features").symlink_to(tmp_path / "elsewhere" / "features", target_is_directory=True)
    assert cache_tools.clear([]).removed == []
    assert (tmp_path / "elsewhere" / "features" / ("ab" * 16) / "entry.json").exists()


@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_an_entry_that_is_being_built_is_left(cache: Path, suffix: str):
    folder = entry(cache, name="ab" * 16 + suffix)
    with lock(cache / "features" / ("ab" * 16)):
        done = cache_tools.clear([])
        assert (len(done.removed), len(done.busy), folder.exists()) == (0, 1, True)
    assert len(cache_tools.clear([]).removed) == 1


def test_clearing_by_name_removes_that_entry_alone(cache: Path):
    first, second = entry(cache), entry(cache, name="cd" * 16)
    assert [found.folder for found in cache_tools.clear(["ab"]).removed] == [first]
    assert second.exists()
    with pytest.raises(BenchError, match="no cache entry starts with 'zz'"):
        cache_tools.clear(["zz"])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b"{", b"[" * 100_000])
def test_a_damaged_entry_is_listed_verified_and_cleared(cache: Path, content: bytes):
    folder = entry(cache)
    (folder / "entry.json").write_bytes(content)
    (found,) = cache_tools.entries()
    assert "damaged" in found.description
    assert cache_tools.entries_table().row_count == 2
    assert any(str(folder) in fault for fault in cache_tools.verify())
    cache_tools.clear([])
    assert not folder.exists()


def test_verify_names_what_is_missing_and_what_changed(cache: Path):
    folder = entry(cache)
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing
    about = f'{{"version": 1, "seconds": 1.0, "sha256": {{"states.npy": "{digest}", "shared.npy": "{digest}"}}}}'
    (folder / "entry.json").write_text(about)
    (folder / "states.npy").write_bytes(b"")
    (fault,) = cache_tools.verify()
    assert "shared.npy: there is no such file" in fault
    (folder / "shared.npy").write_bytes(b"changed")
    (fault,) = cache_tools.verify()
    assert "shared.npy: changed" in fault
    os.truncate(folder / "shared.npy", 0)
    assert cache_tools.verify() == []


@pytest.mark.parametrize(
    "about", [None, "[]", '{"version": 1, "sha256": [1]}', '{"version": 1, "sha256": {"pipe": "0"}}']
)
def test_an_entry_whose_description_is_damaged_is_listed_and_named_a_fault(cache: Path, about: str | None):
    folder = entry(cache)
    os.mkfifo(folder / "pipe")
    (folder / "entry.json").unlink()
    if about is None:
        os.mkfifo(folder / "entry.json")  # which nobody ever writes to
    else:
        (folder / "entry.json").write_text(about)
    assert cache_tools.entries_table().row_count == 2
    assert len(cache_tools.verify()) == 1
    assert len(cache_tools.clear([]).removed) == 1


def test_a_study_refuses_an_impossible_directory_before_it_plans():
    with pytest.raises(BenchError, match=r"^--out n+: cannot be used \(File name too long\)"):
        run_study(Study(methods=["unheard-of"]), Request(Path("n" * 400)))


def test_a_cache_entry_tells_its_size_and_age_and_a_build_holds_the_lock_of_what_it_builds(cache: Path):
    folder = entry(cache, name="cd" * 16 + ".partial")
    size = sum(file.stat().st_size for file in folder.iterdir())
    (folder / "states.npy").write_bytes(bytes(1000))
    for seconds, age in ((7, "7 s"), (7 * 60, "7 min"), (7 * 3600, "7 h"), (7 * 86400, "7 d")):
        then = time.time() - seconds
        os.utime(folder, (then, then))
        [found] = cache_tools.entries()
        assert (found.age, found.bytes) == (age, size + 1000)
    assert found.lock_target == cache / "features" / ("cd" * 16)
    with lock(found.lock_target):
        assert [one.folder for one in cache_tools.clear([]).busy] == [folder]


def test_entries_are_cleared_by_the_beginning_of_their_names_and_pictures_are_verified_too(cache: Path):
    first, second = entry(cache, name="ab" + "cd" * 15), entry(cache, name="cdab" + "ef" * 14)
    assert [one.folder for one in cache_tools.clear(["ab"]).removed] == [first]
    assert second.exists()
    cache_tools.clear([])
    store = cache / "images" / ("ab" * 16)
    write_atomic(store / "about.json", '{"version": "1", "crc32": []}')
    write_atomic(store / MARKER, "ours")
    [fault] = cache_tools.verify()
    assert str(store) in fault
