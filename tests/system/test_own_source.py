"""A source of somebody's own, one file beside their data: it is named, read, trained on, and found again."""

import json
from pathlib import Path

SOURCE = '''
from tpmebench.datasets.raw import Interactions, RawData
from tpmebench.datasets.sources.source import Options, Source
from tpmebench.files import digest, file_digest
from pydantic import Field
import numpy as np


class LogOptions(Options):
    users: int = Field(default=20, ge=1)


class Log(Source):
    """Titles of a file, taken in turn."""

    options = LogOptions

    def read(self):
        titles = self.path.read_text().splitlines()
        users = np.repeat(np.arange(self.chosen.users), 6)
        items = (users + np.tile(np.arange(6), self.chosen.users)) % len(titles)
        facts = {"source": "a log", "users asked for": self.chosen.users}
        ids = [str(number) for number in range(len(titles))]
        return RawData(self.path.stem, ids, titles, None, Interactions(users, items, None), facts)

    def fingerprint(self):
        return digest("log", file_digest(self.path), str(self.chosen.users))
'''


def test_a_source_of_ones_own_is_one_file_and_no_edit_here(bench, tmp_path: Path):
    (tmp_path / "own_source.py").write_text(SOURCE)
    (tmp_path / "shop.txt").write_text("".join(f"red lamp {number}\n" for number in range(30)))
    study = ["run", "--methods", "popularity,frozen-cached", "--modalities", "text", "--set", "references=false"]
    study += ["--epochs", "1", "--strict", "--out", "out", "--dataset"]

    ended = bench(*study, "./own_source.py:Log:shop.txt:users=40", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "importing code from outside: own_source:Log" in ended.stdout
    assert "40 users, 30 items" in ended.stdout
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "records").glob("*.json")]
    assert {record["cell"]["dataset"] for record in records} == {"own_source:Log:shop.txt:users=40"}
    assert {record["status"] for record in records} == {"ok"}
    assert {record["dataset"]["users asked for"] for record in records} == {40}

    again = bench(*study, "own_source:Log:shop.txt:users=40", "--dry-run", cwd=tmp_path)
    assert "0 of 2 cells would run" in again.stdout, again.stdout + again.stderr
    (tmp_path / "own_source.py").write_text(SOURCE.replace("np.arange(6), self", "np.arange(6)[::-1], self"))
    edited = bench(*study, "own_source:Log:shop.txt:users=40", "--dry-run", cwd=tmp_path)
    assert "stale: training code changed: 2 cells" in edited.stdout, edited.stdout + edited.stderr
    refused = bench(*study, "own_source:Log:shop.txt:user=40", "--dry-run", cwd=tmp_path)
    assert "unknown option of dataset own_source:Log 'user': did you mean 'users'?" in refused.stderr
    pictures = bench("run", "--methods", "fft", "--dataset", "own_source:Log:shop.txt", cwd=tmp_path)
    assert "dataset 'own_source:Log:shop.txt' has no pictures: use --modalities text" in pictures.stderr
