"""Prepares and loads generated data of two sizes: seconds, how they grow, and the highest resident memory.

python tests/soak/prepare_scale.py [INTERACTIONS [csv|parquet]]

Of ten million interactions over a million users and a million items: less than 3 GB, loaded in less than 20 s, and ten
times a tenth's time within 1.3.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

MOST_BYTES, MOST_SECONDS, MOST_GROWTH = 3 << 30, 20.0, 1.3
_LOAD = "from tpmebench.datasets.sources.loading import load_dataset; load_dataset({!r}, modalities='text')"


def generate(folder: Path, interactions: int, kind: str) -> None:
    """A dataset in which a user has ten interactions and an item as well, some far more than others."""
    rng = np.random.default_rng(0)
    count = interactions // 10
    items = (count * rng.random(interactions) ** 2).astype(np.int64)
    users = rng.permutation(np.repeat(np.arange(count), 10))
    times = rng.integers(1_500_000_000, 1_700_000_000, interactions)
    ids = pa.array(np.arange(count))
    texts = pa.array([f"item {number}, a thing of size {number % 11}" for number in range(count)])
    folder.mkdir()
    tables = {
        "ratings": pa.table({"user": users, "item": items, "time": times, "rating": rng.integers(1, 6, interactions)}),
        "items": pa.table({"id": ids, "title": texts}),
    }
    for name, table in tables.items():
        if kind == "csv":
            pa_csv.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")
    (folder / "dataset.toml").write_text(
        f'name = "scale"\n[interactions]\nfile = "ratings.{kind}"\nuser = "user"\nitem = "item"\ntime = "time"\n'
        f'time_unit = "s"\n[items]\nfile = "items.{kind}"\nid = "id"\ntext = "title"\n'
    )


@dataclass(frozen=True)
class Used:
    """What a command took: seconds of the processor, whatever else the machine did, and of the clock; peak bytes."""

    work: float
    clock: float
    memory: int

    def __str__(self) -> str:
        return f"{self.work:.1f} s ({self.clock:.1f} by the clock) and {self.memory / 1e9:.2f} GB"


def used(*command: str) -> Used:
    """Runs a command that must end well."""
    start = time.monotonic()
    _, status, usage = os.wait4(os.posix_spawnp(command[0], command, os.environ), 0)
    assert status == 0, command
    return Used(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss * 1024)


def measured(size: int, kind: str) -> tuple[Used, Used]:
    """Preparing and loading a dataset of so many interactions."""
    with tempfile.TemporaryDirectory() as place:
        source, out = Path(place) / "source", Path(place) / "out"
        generate(source, size, kind)
        prepared = used(
            str(Path(sys.executable).with_name("bench")),
            "data",
            "prepare",
            str(source),
            "--out",
            str(out),
            "--k-core",
            "3",
        )
        loaded = used(sys.executable, "-c", _LOAD.format(str(out)))
    print(f"{size:,}: prepared in {prepared}, loaded in {loaded}", flush=True)
    return prepared, loaded


def main(interactions: int, kind: str) -> None:
    start, _ = measured(10_000, kind)
    tenth, _ = measured(interactions // 10, kind)
    prepared, loaded = measured(interactions, kind)
    growth = prepared.work / tenth.work / 10
    beside = (prepared.work - start.work) / (tenth.work - start.work) / 10
    print(f"ten times as many take {growth:.2f} times as long each, {beside:.2f} times beside what the start takes")
    wrong = ["memory"] * (max(prepared.memory, loaded.memory) > MOST_BYTES)
    wrong += ["loading"] * (loaded.work > MOST_SECONDS) + ["growth"] * (growth > MOST_GROWTH)
    sys.exit(f"too much: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main(int((sys.argv[1:2] or [10_000_000])[0]), (sys.argv[2:3] or ["parquet"])[0])
