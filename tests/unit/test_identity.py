"""What makes two cells the same, which earlier record belongs to one, and when that record no longer holds."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest

from tpmebench.bench.console import Screen
from tpmebench.bench.guard.pairing import group, settings
from tpmebench.bench.running import session
from tpmebench.bench.running.request import Request
from tpmebench.bench.study import digests
from tpmebench.bench.study.grid import Planned, plan
from tpmebench.bench.study.study import Study, read_study
from tpmebench.datasets.sources.bazaar import Bazaar
from tpmebench.datasets.sources.registry import open_source
from tpmebench.errors import BenchError
from tpmebench.files import lock
from tpmebench.methods.embedded.lora import LoRA
from tpmebench.methods.registry import find_method
from tpmebench.ownership import take
from tpmebench.reports.reading import load_records, read_record
from tpmebench.reports.records import Code, Record, record_path

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "published" / "demo"


def cells(directory: Path, version: str = "0.1.0", **study: Any) -> list[Planned]:
    values = {"methods": ["fft", "lora"], "references": False, "device": "cpu", **study}
    return plan(Study.model_validate(values), directory, version)


def leave(planned: Planned, directory: Path, status: str = "ok", **changes: Any) -> Record:
    """The record that a run of the cell leaves, changed as an older or another one may be."""
    record = Record(
        study="study",
        cell=planned.cell,
        cell_id=planned.id,
        code=digests.code_of(planned.method, Bazaar),
        family="full",
        status=status,  # pyright: ignore[reportArgumentType]
        started="2026-01-01T00:00:00.000+00:00",
    ).model_copy(update=changes)
    record.save(directory)
    return record


def shop(folder: Path, extra: str = "") -> Path:
    """A dataset of titles alone."""
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(
        'name = "shop"\n'
        '[interactions]\nfile = "ratings.csv"\nuser = "user"\nitem = "item"\ntime = "time"\ntime_unit = "s"\n'
        '[items]\nfile = "items.csv"\nid = "id"\ntext = "title"\n'
    )
    (folder / "items.csv").write_text("id,title\n" + "".join(f"i{n},title {n}{extra}\n" for n in range(9)))
    rows = [f"u{user},i{(user + step) % 9},{step}" for user in range(6) for step in range(6)]
    (folder / "ratings.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    return folder


def test_a_dataset_is_the_same_however_it_is_spelt_and_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shop(tmp_path / "here" / "shop")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path / "here")
    spellings = ["./shop", "shop/dataset.toml", str(tmp_path / "here/shop"), str(tmp_path / "there/shop")]
    planned = [cells(tmp_path, datasets=[spelling], modalities="text", methods=["fft"])[0] for spelling in spellings]
    assert len({each.cell.id for each in planned}) == 1
    assert {each.cell.dataset for each in planned} == {"shop"}
    assert [each.places.dataset for each in planned] == spellings
    assert str(tmp_path) not in planned[2].cell.model_dump_json()
    assert len(cells(tmp_path, datasets=spellings, modalities="text", methods=["fft"])) == 1


def test_a_study_that_was_copied_has_nothing_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another folder, another working directory, relative paths."""
    (tmp_path / "old").mkdir()
    shop(tmp_path / "old" / "shop")
    study: dict[str, Any] = {"datasets": [str(tmp_path / "old/shop")], "modalities": "text"}
    for each in cells(tmp_path / "old/runs", **study):
        leave(each, tmp_path / "old/runs")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    shutil.rmtree(tmp_path / "old")
    monkeypatch.chdir(tmp_path / "new" / "shop")
    again = cells(Path("../runs"), datasets=["../shop"], modalities="text")
    assert [Request(Path("../runs")).wants(each) for each in again] == [False, False]


def test_the_version_and_the_time_limit_decide_no_result(tmp_path: Path):
    first, second = cells(tmp_path), cells(tmp_path, version="9.9", timeout=60.0)
    assert [each.cell.id for each in first] == [each.cell.id for each in second]
    assert second[0].cell.timeout == 60.0


def test_two_paths_to_one_model_are_one_backbone_and_an_alias_names_it(tmp_path: Path):
    folder = shutil.copytree(ROOT / "methods" / "micro" / "text", tmp_path / "models" / "tower")
    (tmp_path / "link").symlink_to(folder)
    study: dict[str, Any] = {"modalities": "text", "methods": ["fft"]}
    [direct] = cells(tmp_path, text_backbone=str(folder), **study)
    [linked] = cells(tmp_path, text_backbone=str(tmp_path / "link"), **study)
    [named] = cells(tmp_path, backbones={"mini": {"text": str(folder)}}, **study)
    assert direct.cell.id == linked.cell.id == named.cell.id
    assert [each.cell.backbones.text for each in (direct, linked, named)] == ["tower", "tower", "mini"]
    assert named.places.text == str(folder)


def test_a_study_names_pairs_and_the_flag_chooses_among_them(tmp_path: Path):
    (tmp_path / "s.toml").write_text('[backbones]\none = "micro"\n[backbones.two]\ntext = "micro"\nimage = "micro"\n')
    names = [each.cell.backbones.text for each in plan(read_study(str(tmp_path / "s.toml"), {}, []), tmp_path, "1")]
    assert set(names) == {"one"}  # both are the same towers, so they are the same cells
    chosen = read_study(str(tmp_path / "s.toml"), {"backbones": ["two", "micro"]}, [])
    assert plan(chosen, tmp_path, "1")[0].cell.backbones.text == "two"
    with pytest.raises(
        BenchError,
        match=r"--set backbones\.two\.txt: unknown key 'backbones\.two\.txt': did you mean 'backbones\.two\.text'",
    ):
        read_study(str(tmp_path / "s.toml"), {}, ["backbones.two.txt=micro"])


def test_a_hub_id_has_the_revision_that_this_machine_holds(monkeypatch: pytest.MonkeyPatch):
    from tpmebench.methods.backbones.source import BackboneSource

    commit = "0123456789abcdef0123456789abcdef01234567"
    source = BackboneSource("text", "bert-base")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    assert (source.fingerprint(), source.pinned) == ("", {})
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: f"/cache/snapshots/{commit}/config.json")
    assert (source.fingerprint(), source.pinned) == (commit, {"revision": commit})


def test_published_records_of_an_older_recipe_are_found_and_taken_as_they_are(tmp_path: Path):
    """Their ids hold version, paths and time limit; they know no digest of their code."""
    shutil.copytree(PUBLISHED / "records", tmp_path / "records")
    study = read_study(None, {"seeds": 5, "device": "cpu"}, ["training.patience=10"])
    known = {record.cell_id for record in load_records(PUBLISHED)}
    planned = [each for each in plan(study, tmp_path, "0.1.0") if each.cell.method != "content-knn"]  # which is newer
    assert {each.id for each in planned} == known
    assert {(each.status, each.stale) for each in planned} == {("ok", ())}
    assert all(each.cell.id != each.id for each in planned)


def test_an_option_that_is_new_since_leaves_an_older_record_where_it_is(tmp_path: Path):
    [fft, lora] = cells(tmp_path)
    older = lora.cell.model_copy(update={"options": {"r": 8}})
    leave(lora, tmp_path, cell=older, cell_id="0" * 16)
    assert [each.id for each in cells(tmp_path)] == [fft.id, "0" * 16]


def test_changed_data_are_told_with_their_former_fingerprint(tmp_path: Path):
    folder = shop(tmp_path / "shop")
    study: dict[str, Any] = {"datasets": [str(folder)], "modalities": "text", "methods": ["fft"]}
    [before] = cells(tmp_path, **study)
    leave(before, tmp_path)
    (folder / "items.csv").write_text((folder / "items.csv").read_text().replace("title 1", "title one"))
    [after] = cells(tmp_path, **study)
    assert after.stale == (f"dataset changed (was {before.cell.dataset_fingerprint[:8]})",)
    assert after.id != before.id, "the old record is of other data: nothing may take its place"
    assert Request(tmp_path).wants(after)
    assert not Request(tmp_path, keep_stale=True).wants(after)


SPELT_OTHERWISE = """
# the same, in another order
name = 'shop, renamed'
licence = "free"
[items]
text = ["title"]
id = "id"
file = "./items.csv"
[interactions]
time_unit = "s"
time = "time"
item = "item"
user = "user"
file = "ratings.csv"
"""


def test_a_description_that_is_only_written_otherwise_leaves_the_dataset_what_it_is(tmp_path: Path):
    folder = shop(tmp_path / "shop")
    written = (folder / "dataset.toml").read_text()
    before = open_source(str(folder)).fingerprint()
    (folder / "dataset.toml").write_text(SPELT_OTHERWISE)
    assert open_source(str(folder)).fingerprint() == before
    for old, new in (('user = "user"', 'user = "time"'), ('text = ["title"]', 'text = ["title", "id"]')):
        (folder / "dataset.toml").write_text(SPELT_OTHERWISE.replace(old, new))
        assert open_source(str(folder)).fingerprint() != before
    (folder / "pictures").mkdir()
    seen = {before}
    for pictures in ("", 'pattern = "{id}.jpg"', 'pattern = "{id}.png"'):
        (folder / "dataset.toml").write_text(f'{written}[images]\nfolder = "pictures"\n{pictures}\n')
        seen.add(open_source(str(folder)).fingerprint())
    assert len(seen) == 3, "without pictures, by the default pattern, by another"
    for name in ("items.csv", "ratings.csv", "pictures/i1.png"):
        now = open_source(str(folder)).fingerprint()
        (folder / name).open("a").write("\n")
        assert open_source(str(folder)).fingerprint() != now


def test_a_record_with_the_former_fingerprint_of_its_data_is_of_the_same_cell(tmp_path: Path):
    """Up to 0.1 the bytes of the description were part of it."""
    folder = shop(tmp_path / "shop")
    study: dict[str, Any] = {"datasets": [str(folder)], "modalities": "text", "methods": ["fft"]}
    [planned] = cells(tmp_path, **study)
    former = open_source(str(folder)).former_fingerprint()
    assert former != planned.cell.dataset_fingerprint
    record = leave(planned, tmp_path, cell=planned.cell.model_copy(update={"dataset_fingerprint": former}))
    [again] = cells(tmp_path, **study)
    assert (again.status, again.stale, again.id) == ("ok", (), record.cell_id)
    (folder / "items.csv").open("a").write("i9,title 9\n")
    [changed] = cells(tmp_path, **study)
    assert changed.stale == (f"dataset changed (was {former[:8]})",)


def test_another_dataset_of_the_same_name_in_the_study_is_not_a_changed_one(tmp_path: Path):
    one, two = shop(tmp_path / "a" / "shop"), shop(tmp_path / "b" / "shop", extra=" more")
    study: dict[str, Any] = {"datasets": [str(one), str(two)], "modalities": "text", "methods": ["fft"]}
    first, second = cells(tmp_path, **study)
    leave(first, tmp_path)
    assert [each.stale for each in cells(tmp_path, **study)] == [(), ()]
    assert first.cell.id != second.cell.id


@pytest.mark.parametrize(
    ("code", "stale"),
    [
        (Code(), ()),
        (Code(method="other"), ("method changed",)),
        (Code(training="other"), ("training code changed",)),
        (Code(method="x", training="y"), ("method changed", "training code changed")),
    ],
    ids=str,
)
def test_a_record_of_other_code_is_stale_and_one_that_knows_none_is_not(tmp_path: Path, code: Code, stale: tuple):
    first = cells(tmp_path)[0]
    leave(first, tmp_path, code=code)
    again = cells(tmp_path)[0]
    assert again.stale == stale
    assert again.id == first.id
    assert Request(tmp_path).wants(again) is bool(stale)
    assert not Request(tmp_path, keep_stale=True).wants(again)


@pytest.mark.parametrize("status", [None, "ok", "crashed", "interrupted"])
def test_what_runs(tmp_path: Path, status: str | None):
    first = cells(tmp_path)[0]
    if status:
        leave(first, tmp_path, status)
    again = cells(tmp_path)[0]
    assert Request(tmp_path).wants(again) is (status in {None, "interrupted"})
    assert Request(tmp_path, only_failed=True).wants(again) is (status in {"crashed", "interrupted"})
    assert Request(tmp_path, rerun=("fft",)).wants(again)
    assert Request(tmp_path, rerun=("all",)).wants(again)
    assert Request(tmp_path, rerun=("lora",)).wants(again) is (status in {None, "interrupted"})


def test_a_failed_cell_whose_method_changed_since_runs(tmp_path: Path):
    first = cells(tmp_path)[0]
    leave(first, tmp_path, "crashed", code=Code(method="other"))
    assert Request(tmp_path).wants(cells(tmp_path)[0])


def test_rerun_names_methods_of_the_study(tmp_path: Path):
    with pytest.raises(BenchError, match="did you mean 'lora'"):
        Request(tmp_path, rerun=("lroa",)).check(cells(tmp_path))
    with pytest.raises(BenchError, match="give one of the two"):
        Request(tmp_path, rerun=("lora",), only_failed=True).check(cells(tmp_path))


def test_what_is_timed_runs_alone(tmp_path: Path):
    study = Study.model_validate({"methods": ["lora"], "references": False, "costs": True, "device": "cpu"})
    Request(tmp_path).check(plan(study, tmp_path, "0.1.0"))
    with pytest.raises(BenchError, match="--jobs and --costs"):
        Request(tmp_path, jobs=2).check(plan(study, tmp_path, "0.1.0"))


def test_what_runs_again_on_demand_goes_on_from_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = Study.model_validate({"methods": ["fft", "lora"], "references": False, "device": "cpu"})
    planned = plan(study, tmp_path, "0.1.0")
    kept = [tmp_path / "checkpoints" / f"{each.id}-0123abcd.safetensors" for each in planned]
    kept[0].parent.mkdir()
    for path in kept:
        path.touch()
    seen: list[list[Path]] = []
    monkeypatch.setattr(session, "describe_data", lambda *_, **__: None)
    monkeypatch.setattr(session.Runner, "run", lambda *_: seen.append([path for path in kept if path.exists()]))
    screen = Screen()
    screen.quiet = True
    session._run(screen, study, Request(tmp_path, rerun=("fft",)), lambda _: planned)
    assert seen == [kept[1:]]


def test_what_follows_from_the_first_cells_runs_without_a_second_look_at_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    study = Study.model_validate({"methods": ["fft", "lora"], "references": False, "device": "cpu"})
    fft, lora = plan(study, tmp_path, "0.1.0")
    looked: list[bool] = []
    ran: list[tuple[list[str], int]] = []
    monkeypatch.setattr(session, "describe_data", lambda *_, read: looked.append(read))
    monkeypatch.setattr(
        session.Runner, "run", lambda self, cells: ran.append(([each.cell.method for each in cells], id(self.rates)))
    )
    screen = Screen()
    screen.quiet = True
    planned = iter([[fft], [fft, lora], [fft, lora]])
    session._run(screen, study, Request(tmp_path), lambda _: next(planned))
    assert [methods for methods, _ in ran] == [["fft"], ["lora"]]
    assert looked == [True] and len({rates for _, rates in ran}) == 1


def test_a_run_that_waited_for_another_runs_only_what_that_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    study = Study.model_validate({"methods": ["fft", "lora"], "references": False, "device": "cpu"})
    fft, _ = plan(study, tmp_path, "0.1.0")
    take(tmp_path)
    at_work, told = Event(), Event()

    def other_run() -> None:
        with lock(tmp_path / "study"):
            at_work.set()
            told.wait(20)
            leave(fft, tmp_path)

    say = Screen.say

    def watched(screen: Screen, message: object, style: str = "") -> None:
        say(screen, message, style)
        if "waiting" in str(message):
            told.set()

    ran: list[list[str]] = []
    monkeypatch.setattr(Screen, "say", watched)
    monkeypatch.setattr(session.Runner, "run", lambda _, cells: ran.append([each.cell.method for each in cells]))
    monkeypatch.setattr(session, "describe_data", lambda *_, **__: None)
    monkeypatch.setattr(session, "conclude", lambda *_, **__: None)
    thread = Thread(target=other_run)
    thread.start()
    at_work.wait(20)
    assert session.run_study(study, Request(tmp_path)) == 0
    thread.join()
    said = capsys.readouterr().out
    assert "waiting for another `bench run`" in said
    assert "2 cells, 1 to run (1 of 2 done earlier)" in said
    assert ran == [["lora"]]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of methods from outside."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine_helper.py").write_text("FACTOR = 1\n")
    (tmp_path / "mine_method.py").write_text(
        "from mine_helper import FACTOR\nfrom tpmebench.methods.embedded.lora import LoRA\n\n\n"
        "class Mine(LoRA):\n    factor = FACTOR\n"
    )
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_method_s_digest_follows_its_code_and_that_of_its_neighbours_alone(outside: Path):
    method = find_method(f"{outside / 'mine_method.py'}:Mine")
    first, lora = digests.code_of(method, Bazaar), digests.code_of(LoRA, Bazaar)
    source = outside / "mine_method.py"
    source.write_text('"""About it."""\n' + source.read_text().replace("factor =", "# why\n    factor  ="))
    assert digests.code_of(method, Bazaar) == first, "comments, docstrings and layout decide nothing"
    (outside / "mine_helper.py").write_text("FACTOR = 2\n")
    changed = digests.code_of(method, Bazaar)
    assert changed.method != first.method
    assert changed.training == first.training
    assert digests.code_of(LoRA, Bazaar) == lora
    (outside / "mine_helper.py").write_text("FACTOR = 1\n")
    assert digests.code_of(method, Bazaar) == first


@pytest.mark.parametrize("package", ["tpmebench", "tpmebench.methods", "tpmebench.methods.fusion"])
def test_a_name_that_is_imported_when_it_is_used_counts_as_the_file_that_it_comes_from(outside: Path, package: str):
    """Else a change of ours in what a method from outside is built on would leave its results as if they held."""
    source = outside / "mine_method.py"
    source.write_text(f"from {package} import FusedEncoder, Method as M\n\n\nclass Mine:\n    encoder = FusedEncoder\n")
    home = digests.Home(outside, None)
    files = {file.relative_to(digests.ROOT).as_posix() for file in digests._reached([source], home) - {source}}
    assert ("methods/method.py" if package == "tpmebench" else "methods/fusion.py") in files
    assert not files & {"__init__.py", "methods/__init__.py", "api.py"}


@pytest.mark.parametrize("key", ["options", "rates", "epochs"])
def test_code_from_outside_is_named_wherever_a_study_names_it(
    outside: Path, key: str, capsys: pytest.CaptureFixture[str]
):
    study = Study.model_validate({key: {f"{outside / 'mine_method.py'}:Mine": 3 if key == "epochs" else {"lr": 0.1}}})
    session._announce_outside(Screen(), study)
    assert "importing code from outside: mine_method:Mine" in capsys.readouterr().out


def test_a_method_without_a_source_has_no_digest(monkeypatch: pytest.MonkeyPatch):
    made = type("Made", (LoRA,), {"__module__": "nowhere_to_be_read"})
    monkeypatch.setitem(sys.modules, "nowhere_to_be_read", ModuleType("nowhere_to_be_read"))
    assert digests.code_of(made, Bazaar).method == ""


def test_ours_covers_what_decides_a_result_and_nothing_that_shows_it():
    files = {file.relative_to(digests.ROOT).as_posix() for file in digests.training_sources()}
    decide = {
        "bench/worker/step.py",
        "bench/worker/evaluation.py",
        "bench/worker/build.py",
        "bench/tasks/sequential.py",
        "methods/head/sasrec.py",
        "methods/head/loss.py",
    }
    decide |= {
        "datasets/protocol.py",
        "datasets/sources/bazaar.py",
        "datasets/sources/folder.py",
        "datasets/sources/iisan_release.py",
        "datasets/bazaar/shop.py",
        "datasets/tables/reading.py",
        "datasets/batches.py",
        "methods/backbones/source.py",
        "methods/backbones/tower.py",
    }
    assert decide <= files
    floors = {file.split("/")[0] for file in files}
    assert not floors & {"reports", "tests", "text.py", "files.py", "errors.py"}
    spared = {"bench/cli.py", "bench/console.py", "bench/running/session.py", "bench/running/display.py"}
    spared |= {"bench/study/grid.py", "methods/embedded/fft.py", "methods/embedded/lora.py"}
    spared |= {"methods/decoupled/iisan.py", "methods/registry.py", "datasets/sources/registry.py"}
    assert all((digests.ROOT / name).is_file() for name in spared)
    assert not files & spared


def test_two_datasets_of_one_name_are_not_repeats_of_each_other(tmp_path: Path):
    [planned, _] = cells(tmp_path)
    one = leave(planned, tmp_path, cell=planned.cell.model_copy(update={"dataset_fingerprint": "a" * 64}))
    two = leave(planned, tmp_path, cell=planned.cell.model_copy(update={"dataset_fingerprint": "b" * 64}))
    old = leave(planned, tmp_path, cell=planned.cell.model_copy(update={"dataset_fingerprint": ""}))
    assert [settings["dataset"] for settings, _ in group([one, two])] == ["bazaar (aaaaaaaa)", "bazaar (bbbbbbbb)"]
    assert [(settings["dataset"], len(members)) for settings, members in group([one, one, old])] == [("bazaar", 3)]


def test_records_of_a_cell_hold_no_path_and_old_ones_match_by_name(tmp_path: Path):
    cell = read_record(next((PUBLISHED / "records").glob("*.json"))).cell
    old = [cell.model_copy(update={"dataset": place}) for place in ("/data/shop", "./shop", "../x/shop", "shop")]
    assert {settings(cell)["dataset"] for cell in old} == {"shop"}
    assert record_path(tmp_path, "a").parent == tmp_path / "records"
