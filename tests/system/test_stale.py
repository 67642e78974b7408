"""What runs again by itself: the cells of a method that was edited, and no others; what a failed cell does to a run."""

from pathlib import Path

METHOD = '''
from tpmebench.methods.references.sasrec_id import SASRecID


class {name}(SASRecID):
    """Of a file."""

    def learning_rates(self, encoder):
        {line}
        return super().learning_rates(encoder)
'''


def test_an_edited_method_runs_again_alone_and_a_failed_one_fails_a_strict_run(bench, tmp_path: Path):
    for name, line in (("Good", "pass"), ("Bad", "raise ValueError('planted')")):
        (tmp_path / f"own_{name.lower()}.py").write_text(METHOD.format(name=name, line=line))
    arguments = ["run", "--methods", "./own_good.py:Good,own_bad:Bad,popularity", "--set", "references=false"]
    arguments += ["--dataset", "bazaar:items=1000,users=60", "--epochs", "1", "--out", "out", "--strict"]

    ended = bench(*arguments, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "importing code from outside: own_good:Good, own_bad:Bad" in ended.stdout
    assert "1 failed: --only-failed runs them again" in ended.stdout
    [line] = [line for line in ended.stdout.splitlines() if "planted" in line and line.startswith("own_bad:Bad")]
    assert Path(tmp_path, line[line.rindex("(") + 1 : -1]).is_file(), "the row names its log"

    again = bench(*arguments, "--dry-run", cwd=tmp_path)
    assert "0 of 3 cells would run; records and report in out" in again.stdout
    edited = tmp_path / "own_bad.py"
    edited.write_text(edited.read_text().replace("raise ValueError('planted')", "pass"))
    kept = {path: path.read_bytes() for path in (tmp_path / "out" / "records").glob("*.json")}
    mended = bench(*arguments, cwd=tmp_path)
    assert mended.returncode == 0, mended.stdout
    assert "stale: method changed: 1 cell of own_bad:Bad, 1 to run again" in mended.stdout
    assert "3 cells, 1 to run (2 of 3 done earlier)" in mended.stdout
    assert sum(path.read_bytes() != content for path, content in kept.items()) == 1
    assert set(kept) == set((tmp_path / "out" / "records").glob("*.json"))
