"""What does not do what it says is a row before anything trains; the rest runs, and nothing is tried twice.

What a check cannot tell of is left to the cells, and not said to have passed.
"""

from pathlib import Path

from tpmebench.reports.reading import load_records

METHOD = '''
from tpmebench.methods.embedded.fft import FullFineTuning


class Idle(FullFineTuning):
    """Says that it trains the towers, and trains nothing in them."""

    def adapt(self, tower):
        tower.requires_grad_(False)


class Broken(FullFineTuning):
    """Ends before any check can tell."""

    def adapt(self, tower):
        raise ValueError("planted")
'''


def test_a_method_that_trains_nothing_is_refused_and_the_rest_runs(bench, tmp_path: Path):
    (tmp_path / "idle.py").write_text(METHOD)
    arguments = ["run", "--set", "references=false", "--dataset", "bazaar:items=60,users=40", "--epochs", "1"]
    arguments += ["--modalities", "text", "--out", "out", "--strict", "--methods"]
    ended = bench(*arguments, "./idle.py:Idle,frozen,./idle.py:Broken", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "checked: micro × 3 methods in " in ended.stdout
    assert "s, 1 of which did not pass, 1 left to the cells (log: " in ended.stdout
    refused, ran, broken = sorted(load_records(tmp_path / "out"), key=lambda record: record.status, reverse=True)
    assert (broken.status, broken.self_check, broken.error) == ("crashed", None, "ValueError: planted")
    assert (ran.cell.method, ran.status) == ("frozen", "ok")
    assert ran.self_check is not None and ran.self_check.items == 2
    assert (refused.status, refused.self_check) == ("refused", None)
    assert refused.error == (
        "self-check of method 'idle:Idle' on text tower 'micro': "
        "trains inside: nothing in the text tower is trained, as a method of its family does"
    )

    again = bench(*arguments, "frozen,frozen-cached", "--rerun", "all", cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "checked: micro × 1 method in " in again.stdout
