"""Where it runs: places that cannot be written are one line that names the remedy, and what need not be is not."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.bench.cli import main
from tpmebench.bench.running import local as runner
from tpmebench.bench.running.preflight import check_places
from tpmebench.bench.study.grid import plan
from tpmebench.bench.study.study import Study
from tpmebench.errors import BenchError
from tpmebench.files import cache_directory, is_possible
from tpmebench.reports.reading import load_records

Place = Callable[[Path], Path]
BAZAAR = ("--dataset", "bazaar:items=60,users=40", "--epochs", "1", "--set", "references=false")


def file_in_the_way(folder: Path) -> Path:
    (folder / "taken").write_text("mine")
    return folder / "taken" / "out"


def loop_of_links(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop" / "out"


def named(place: Path, option: str) -> str:
    """What a message has to name: the place, or the option where no file can have such a name."""
    return str(place) if is_possible(place) else option


def endless_name(folder: Path) -> Path:
    return folder / ("n" * 300)


def no_permission(folder: Path) -> Path:
    """Not even root may make a folder here."""
    return Path("/proc/out")


PLACES = pytest.mark.parametrize("place", [file_in_the_way, loop_of_links, endless_name, no_permission])


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs the command in this process; gives its one line on standard error, the status being 2."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        errors = capsys.readouterr().err
        assert ended.value.code == 2, errors
        assert errors.startswith("bench: ") and errors.count("\n") == 1
        return errors

    return run


@pytest.fixture
def no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test when a cell is started."""
    monkeypatch.setattr(runner, "CellProcess", lambda *_: pytest.fail("a cell was started"))


@PLACES
def test_a_place_for_a_run(refused, no_cell, tmp_path: Path, place: Place) -> None:
    out = place(tmp_path)
    assert named(out, "--out") in refused("run", *BAZAAR, "--methods", "popularity", "--out", out)


@pytest.mark.parametrize("name", ["records", "ranks", "logs", "checkpoints"])
def test_a_file_where_a_run_keeps_things(refused, no_cell, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".tpmebench").write_text("ours")
    (out / name).write_text("mine")
    message = refused("run", *BAZAAR, "--methods", "popularity", "--out", out)
    assert str(out / name) in message and "--out" in message


@PLACES
def test_a_place_for_a_report(refused, write_study, make_record, tmp_path: Path, place: Place) -> None:
    out = place(tmp_path)
    study = write_study(tmp_path / "study", [make_record("fft")])
    assert named(out, "--out") in refused("report", study, "--out", out)


@PLACES
def test_a_place_for_a_baseline(refused, write_study, make_record, tmp_path: Path, place: Place) -> None:
    out = place(tmp_path)
    study = write_study(tmp_path / "study", [make_record("fft"), make_record("lora")])
    assert named(out, "--baseline") in refused("check", study, "--baseline", out, "--update")


@PLACES
@pytest.mark.parametrize("method", ["iisan-cached", "content-knn"])
def test_a_place_for_the_cache_is_asked_for_before_the_first_cell(
    refused, no_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place, method: str
) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(place(tmp_path)))
    message = refused("run", *BAZAAR, "--methods", method, "--out", "out")
    assert "TPMEBENCH_CACHE" in message


@pytest.mark.parametrize(
    "code",
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR, errno.EISDIR),
        *(errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.EMFILE, errno.EIO, errno.EBUSY),
    ],
    ids=errno.errorcode.get,
)
def test_every_error_that_a_user_can_mend_is_one_line(
    refused, write_study, make_record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code), "some/place")

    study = write_study(tmp_path / "study", [make_record("fft", status="oom")])  # a report without pictures
    monkeypatch.setattr("tpmebench.reports.report.write_atomic", fails)
    message = refused("report", study)
    assert message.startswith(f"bench: some/place: {os.strerror(code)}; ")


def test_an_error_that_nobody_expects_keeps_its_traceback(
    write_study, make_record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    study = write_study(tmp_path / "study", [make_record("fft")])
    monkeypatch.setattr("tpmebench.reports.report.write_atomic", fails)
    monkeypatch.setattr(sys, "argv", ["bench", "report", str(study)])
    with pytest.raises(OSError, match="Bad file descriptor"):
        main()


def test_without_a_home_or_temporary_files_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TPMEBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(BenchError, match="set TPMEBENCH_CACHE"):
        cache_directory()

    def full() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", full)
    with pytest.raises(BenchError, match="set TMPDIR"):
        check_places(
            tmp_path, plan(Study(methods=["popularity"], references=False, device="cpu"), Path("nowhere"), "0.1.0")
        )


def test_a_home_that_cannot_be_written_and_a_terminal_of_few_characters_keep_nothing_from_running(
    bench_afresh, tmp_path: Path
) -> None:
    """The method prints what neither the terminal nor the locale can show."""
    (tmp_path / "mine.py").write_text(
        "from tpmebench.methods.references.sasrec_id import SASRecID\n"
        "class Prints(SASRecID):\n"
        '    """Prints 商店."""\n'
        "    def item_encoder(self, backbones, width):\n"
        "        print('商店')\n"
        "        return super().item_encoder(backbones, width)\n",
        encoding="utf-8",
    )
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "HF_HOME"), "/dev/null/none")
    methods = ("--methods", "mine:Prints", "--set", "modalities=text", "--out", "商店")
    ended = bench_afresh("run", *BAZAAR, *methods, cwd=tmp_path, PYTHONIOENCODING="ascii", **nowhere)
    assert ended.returncode == 0, ended.stderr
    (record,) = load_records(tmp_path / "商店")
    assert (record.status, record.error) == ("ok", None)
    assert "商店" in (tmp_path / "商店" / "logs" / f"{record.cell_id}.log").read_text(encoding="utf-8")
    assert (tmp_path / "商店" / "report.md").exists()
