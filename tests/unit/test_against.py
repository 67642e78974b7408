"""`bench check --against`: what is compared, in which turns, and what is refused; no cell trains here."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from checked import disturb, record, times, with_memory

from tpmebench.bench.commands.check import check
from tpmebench.bench.guard.against import gate, subject
from tpmebench.bench.guard.against.gate import Against, run_against
from tpmebench.bench.guard.against.lane import study_of
from tpmebench.bench.guard.against.referee import Length, order, play, steps_of_a_block
from tpmebench.bench.guard.against.repository import Repository
from tpmebench.bench.guard.against.side import Side
from tpmebench.bench.guard.against.subject import find_subject
from tpmebench.bench.study.study import Study
from tpmebench.bench.worker.turns import VARIABLE, Turns
from tpmebench.errors import BenchError
from tpmebench.reports.records import Record

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/none"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of somebody's with a method in a file and one in a package, which is the working directory."""
    folder = tmp_path / "mine"
    (folder / "src" / "shop_methods").mkdir(parents=True)
    (folder / "method.py").write_text("class Mine: ...\n")
    (folder / "src" / "shop_methods" / "__init__.py").write_text("")
    (folder / "src" / "shop_methods" / "fast.py").write_text("class Fast: ...\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\ndependencies = ["torch>=2"]\n')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    monkeypatch.chdir(folder)
    return folder


# ---- the repository


def test_a_worktree_has_the_files_of_its_commit_and_is_gone_however_the_block_ends(own: Path, tmp_path: Path) -> None:
    repository = Repository.around(own / "method.py")
    assert repository is not None and repository.root == own
    commit = repository.commit("main")
    hook = own / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (own / "method.py").write_text("class Mine: changed = True\n")
    assert repository.changed
    with pytest.raises(KeyboardInterrupt), repository.worktree(commit, tmp_path / "tree") as tree:
        assert (tree / "method.py").read_text() == "class Mine: ...\n"
        (tree / "left.txt").write_text("by a cell")
        raise KeyboardInterrupt
    assert not (tmp_path / "tree").exists() and not (tmp_path / "hooked").exists()
    assert git(own, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("ref", ["nowhere", "--help", "", "main:method.py"])
def test_a_ref_that_names_no_commit_is_refused_in_a_line(own: Path, ref: str) -> None:
    with pytest.raises(BenchError, match=r"^--against .*: .* knows no such commit; a branch, a tag or a commit$"):
        Repository(own).commit(ref)


def test_a_ref_that_stands_elsewhere_is_said_where(own: Path, tmp_path: Path) -> None:
    git(own, "branch", "topic")
    git(own, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", str(own), "whole")
    with pytest.raises(BenchError, match="origin/topic is known"):
        Repository(tmp_path / "whole").commit("topic")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{own}", "shallow")
    with pytest.raises(BenchError, match=r"shallow.*fetch-depth"):
        Repository(tmp_path / "shallow").commit("HEAD^1")


def test_a_checkout_of_another_user_is_said_to_be_one(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(BenchError, match=r"safe\.directory"):
        Repository.around(own)


def test_other_dependencies_are_those_of_the_project_and_of_lists_of_packages(own: Path) -> None:
    repository, commit = Repository(own), git(own, "rev-parse", "HEAD")
    (own / "pyproject.toml").write_text('[project]\nname = "renamed"\ndependencies = ["torch>=2"]\n')
    assert repository.other_dependencies(commit) == []
    (own / "pyproject.toml").write_text('[project]\nname = "mine"\ndependencies = ["torch>=3"]\n')
    (own / "requirements.txt").write_text("numpy\n")
    assert repository.other_dependencies(commit) == ["pyproject.toml", "requirements.txt"]


# ---- what is compared


def test_a_method_of_ones_own_is_compared_in_its_repository_and_the_suite_stays(own: Path, tmp_path: Path) -> None:
    found = find_subject(["fft", "./method.py:Mine:r=2", "shop_methods.fast:Fast"])
    assert found.repository.root == own and not found.suite
    assert found.named("fft", tmp_path) == "fft"
    assert found.named("./method.py:Mine:r=2", tmp_path) == f"{tmp_path}/method.py:Mine:r=2"
    assert found.named("shop_methods.fast:Fast", tmp_path) == "shop_methods.fast:Fast"
    assert found.links(own) == {"method": own / "method.py", "shop_methods": own / "src" / "shop_methods"}
    assert found.lacks("./method.py:Mine", tmp_path) and not found.lacks("./method.py:Mine", own)


def test_a_file_that_is_called_as_a_library_does_not_take_its_place(own: Path) -> None:
    (own / "numpy.py").write_text("")
    assert "numpy" not in find_subject(["./method.py:Mine"]).links(own)


def test_a_copy_that_pip_installed_does_not_stand_in_for_either_side(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = {
        name: tmp_path / "site-packages" / name / "__init__.py" for name in ("shop_methods", "shop_tools", "method")
    }
    monkeypatch.setattr(subject, "_origin", copies.get)
    monkeypatch.setattr(subject, "packages_distributions", lambda: {"shop_tools": ["Mine"], "method": ["another"]})
    (own / "src" / "shop_tools.py").write_text("")
    assert find_subject(["shop_methods.fast:Fast"]).links(own).keys() == {"shop_methods", "shop_tools"}


def test_without_a_method_of_ones_own_the_suite_is_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subject, "SUITE", tmp_path)
    with pytest.raises(BenchError, match="the suite that runs is no checkout of git; name your own with --methods"):
        find_subject(["lora", "fft"])
    git(tmp_path, "init", "-q")
    found = find_subject(["lora"])
    assert found.suite and found.links(tmp_path / "tree") == {"tpmebench": tmp_path / "tree"}


def test_methods_that_are_in_no_repository_or_in_several_are_refused(own: Path, tmp_path: Path) -> None:
    (tmp_path / "loose.py").write_text("class Loose: ...\n")
    with pytest.raises(BenchError, match=r"loose.py, which has .*, is in no git repository; make it part of one"):
        find_subject([f"{tmp_path}/loose.py:Loose"])
    with pytest.raises(BenchError, match="there is no such file"):
        find_subject(["./nowhere.py:Method"])
    with pytest.raises(BenchError, match=r"no file of 'nowhere\.at_all:Method' is found here"):
        find_subject(["nowhere.at_all:Method"])
    (own / ".gitignore").write_text("env/\n")
    (own / "env").mkdir()
    (own / "env" / "ignored.py").write_text("class Ignored: ...\n")
    with pytest.raises(BenchError, match="is in no git repository"):
        find_subject(["./env/ignored.py:Ignored"])
    git(tmp_path, "clone", "-q", str(own), "other")
    with pytest.raises(BenchError, match="several repositories"):
        find_subject(["./method.py:Mine", f"{tmp_path}/other/method.py:Mine"])


def test_a_side_is_told_what_differs_from_the_usual_of_its_method_alone() -> None:
    study = Study(methods=["./m.py:M", "lora"], options={"./m.py:M": {"r": 2}, "lora": {"r": 4}}, trackers=["mlflow"])
    keys = study_of(study, "./m.py:M", "/tree/m.py:M")
    assert keys["methods"] == ["/tree/m.py:M"] and keys["options"] == {"/tree/m.py:M": {"r": 2}}
    assert keys["costs"] is True and keys["trackers"] == [] and keys["threads"] == 1
    assert not keys.keys() & {"text_length", "weights", "evaluation"}, "what an older suite may not know"
    assert "threads" not in study_of(Study(device="cuda"), "lora", "lora")
    assert study_of(Study(threads=3), "lora", "lora")["threads"] == 3


# ---- turns


def test_turns_go_a_b_b_a_and_begin_with_the_other_side_in_the_next_pair() -> None:
    assert list(order(4, first=0)) == [0, 1, 1, 0, 0, 1, 1, 0]
    assert list(order(2, first=1)) == [1, 0, 0, 1]
    assert [steps_of_a_block(each) for each in (0.1, 2.0, 1e-9, 0.0)] == [5, 1, 1000, 1000]


ENVIRONMENT = threading.Lock()
"""Who changes it at the same time as another puts a changed one back, and all later tests have that."""


class FakeSide:
    """A side whose cell takes turns in a thread, and writes each of its blocks into a list that both share."""

    def __init__(self, name: str, place: Path, blocks: list[tuple[str, int]], fails: bool = False) -> None:
        self.name, self.turns, self.blocks, self.fails = name, place / "turns", blocks, fails
        place.mkdir()
        reading, self.writing = os.pipe()
        self.answers = os.fdopen(reading)

    def ask(self, run: Mapping[str, Any], turns: Path | None) -> None:
        threading.Thread(target=self._run, args=(str(turns),), daemon=True).start()

    def _run(self, address: str) -> None:
        said = "done"
        try:
            if not self.fails:
                with ENVIRONMENT, pytest.MonkeyPatch.context() as patch:
                    patch.setattr(os, "environ", {VARIABLE: address})
                    turns = Turns.joined()
                assert turns is not None
                seconds = 0.0
                while steps := turns.next(seconds):
                    self.blocks.append((self.name, steps))
                    seconds = 0.1 if self.name == "base" else 0.25
        except ConnectionError:
            said = "left"
        os.write(self.writing, f"{said}\n".encode())

    def answer(self) -> dict[str, Any]:
        return {"said": self.answers.readline().strip()}


def played(tmp_path: Path, first: int = 0, fails: str = "") -> tuple[list[tuple[str, int]], list[str]]:
    blocks: list[tuple[str, int]] = []
    sides: Any = [FakeSide(name, tmp_path / name, blocks, fails=name == fails) for name in ("base", "head")]
    answers = play(sides, [{}, {}], first, Length(least=2, most=3))
    return blocks, [answer["said"] for answer in answers]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no sockets of this kind")
def test_two_cells_take_the_same_blocks_in_turns(tmp_path: Path) -> None:
    blocks, said = played(tmp_path, first=1)
    assert said == ["done", "done"]
    assert [name for name, _ in blocks] == ["head", "base", "base", "head", "head", "base", "base", "head"]
    assert [steps for _, steps in blocks] == [4, 4, 5, 5, 5, 5, 5, 5], "a warm-up, then half a second of the faster"


@pytest.mark.parametrize("fails", ["base", "head"])
def test_a_cell_whose_rival_failed_is_not_left_waiting(tmp_path: Path, fails: str) -> None:
    blocks, said = played(tmp_path, fails=fails)
    assert blocks == [] and sorted(said) == ["done", "left"]


PROGRAM = """
import json, pathlib, sys
import shop_methods.fast
print(json.dumps({"suite": shop_methods.fast.__file__, "costs": %s}), flush=True)
for line in sys.stdin:
    print(json.dumps({"error": json.loads(line)["run"]["study"]}), flush=True)
"""


def side_of(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, costs: bool) -> Side:
    (tmp_path / "program.py").write_text(PROGRAM % costs)
    monkeypatch.setattr("tpmebench.bench.guard.against.side._PROGRAM", tmp_path / "program.py")
    return Side("main", own, tmp_path / "base", find_subject(["./method.py:Mine"]).links(own))


def test_a_side_imports_from_its_tree_and_answers_a_line_at_a_time(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(side_of(own, tmp_path, monkeypatch, costs=True)) as side:
        assert side.begin().resolve() == own / "src" / "shop_methods"
        side.ask({"study": "no such option"}, None)
        assert side.answer() == {"error": "no such option"}
    with pytest.raises(BenchError, match="the process of main ended"):
        side.answer()


def test_a_suite_that_cannot_measure_costs_alone_is_refused(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        closing(side_of(own, tmp_path, monkeypatch, costs=False)) as side,
        pytest.raises(BenchError, match=r"the suite at main is too old to measure costs alone .*choose a later ref"),
    ):
        side.begin()


# ---- the gate, with sides that only leave records


class Recorded:
    """A side that leaves made-up records; `changes` is done to those of the head, `fails` names sides that fail."""

    changes: Sequence[Any] = ()
    fails: Mapping[str, str] = {}
    can_listen = True
    closed: Sequence[str] = ()
    asked: Sequence[Mapping[str, Any]] = ()

    def __init__(self, name: str, tree: Path, place: Path, links: Mapping[str, Path]) -> None:
        self.name, self.tree, self.place, self.links = name, tree, place, links
        self.head = name == "head"
        self.left: dict[int, Record] = {}

    def begin(self) -> Path:
        return subject.SUITE

    def ask(self, run: Mapping[str, Any], turns: Path | None) -> None:
        type(self).asked = [*self.asked, run]
        repeat = run["study"]["repeats"] - 1
        made = record("lora", repeat=repeat, noise=repeat + 100 * self.head)
        made.accuracy = None
        for change in self.changes if self.head else ():
            change(made)
        if cause := self.fails.get("head" if self.head else "base"):
            made.status, made.error = "oom", cause
        self.left[repeat] = made

    def answer(self) -> dict[str, Any]:
        return {}

    def records(self, directory: str) -> dict[int, Record]:
        return self.left

    def close(self) -> None:
        type(self).closed = [*self.closed, self.name]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, own: Path) -> Iterator[type[Recorded]]:
    class Fresh(Recorded): ...

    monkeypatch.setattr(gate, "Side", Fresh)
    monkeypatch.setattr(gate, "takes_turns", lambda suite: False)
    yield Fresh
    assert git(own, "worktree", "list").count("\n") == 0


MINE = Study(methods=["./method.py:Mine"])


def checked(*said: str, **asked: Any) -> tuple[int, Any]:
    lines: list[str] = list(said)
    return run_against(MINE, Against("main", **asked), lines.append)


def test_nothing_that_changed_is_an_alarm_and_what_could_have_been_seen_is_said(recorded: type[Recorded]) -> None:
    status, outcome = checked()
    assert status == 0 and recorded.closed == ["head", "main"]
    step = next(one for one in outcome.findings if one.number == "step time")
    assert (step.case, step.verdict) == ("method:Mine", "noise") and step.least is not None
    assert any("A slow-down of a step would be found from" in note for note in outcome.notes)
    assert [run["study"]["repeats"] for run in recorded.asked[:4]] == [1, 1, 2, 2]


def test_a_slower_step_and_any_rise_of_an_exact_number_fail(recorded: type[Recorded], own: Path) -> None:
    recorded.changes = [times(1.1), with_memory(1.001)]
    (own / "method.py").write_text("class Mine: changed = True\n")
    status, outcome = checked()
    assert status == 1
    assert {one.number for one in outcome.failed} == {"step time", "training memory"}
    assert "with changes that are not committed, against main (" in outcome.title
    assert "<failure" in outcome.junit() and any("::error" in line for line in outcome.annotations())


def test_what_waiting_for_a_core_took_is_no_slow_down(recorded: type[Recorded]) -> None:
    recorded.changes = [times(2.0), disturb(0.5)]
    assert checked()[0] == 0


def test_a_cell_that_fails_now_fails_and_one_that_failed_before_is_not_judged(recorded: type[Recorded]) -> None:
    recorded.fails = {"head": "no memory"}
    status, outcome = checked()
    assert status == 1 and [one.why for one in outcome.failed] == ["head: oom: no memory"]
    recorded.fails = {"base": "no memory"}
    status, outcome = checked()
    assert status == 0 and [one.verdict for one in outcome.findings] == ["not judged"]
    recorded.fails = {"base": "no memory", "head": "no memory"}
    assert checked()[0] == 1, "a gate that measured nothing does not pass"


def test_a_method_that_was_not_there_is_new(recorded: type[Recorded], own: Path) -> None:
    (own / "newer.py").write_text("class Newer: ...\n")
    status, outcome = run_against(Study(methods=["./newer.py:Newer"]), Against("main"), lambda _: None)
    assert status == 0 and [one.verdict for one in outcome.findings] == ["new"] and not recorded.asked


def test_when_the_time_is_over_too_few_pairs_are_not_judged(recorded: type[Recorded]) -> None:
    status, outcome = checked(minutes=0.0)
    assert status == 0 and "give more --minutes" in next(
        one.why for one in outcome.findings if one.number == "step time"
    )


def test_every_method_gets_a_pair_whatever_the_time(recorded: type[Recorded]) -> None:
    both = Study(methods=["./method.py:Mine", "./method.py:Mine:r=2"])
    assert len(run_against(both, Against("main", minutes=0.0), lambda _: None)[1].findings) > 2
    assert [run["out"][-1] for run in recorded.asked] == ["0", "0", "1", "1"]


def test_an_interrupt_ends_both_sides_and_leaves_no_worktree(
    recorded: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(recorded, "answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checked()
    assert recorded.closed == ["head", "main"]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (Study(datasets=["bazaar", "bazaar:items=60"]), "the study has 2 datasets; compare one at a time"),
        (Study(backbones=["micro", "clip-b32"]), "the study has 2 pairs of backbones; compare one at a time"),
        (Study(methods=["all"]), "name the methods to compare"),
        (Study(methods=["lora"], sweep={"lora": {"r": [4, 8]}}), "name variants instead"),
    ],
)
def test_more_than_one_setting_is_refused(study: Study, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        run_against(study, Against("main"), lambda _: None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "DIRECTORY is missing; give DIRECTORY --baseline FILE, or --against REF"),
        ({"directory": Path("runs")}, "--baseline FILE is missing"),
        ({"against": "main", "baseline": Path("b.json")}, "--baseline: goes with a baseline, not with --against"),
        ({"against": "main", "update": True}, "--update: goes with a baseline"),
        ({"directory": Path("runs"), "baseline": Path("b.json"), "minutes": 3.0}, "--minutes: goes with --against"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        check(**given)
