"""What a script here measured, kept as a file from which a page's table is made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from tpmebench.bench.meters.environment import checkout_state, cpu_model
from tpmebench.files import canonical_json, write_atomic


def keep(file: Path, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes the rows with the machine, the threads, the commit and the day, for `reports.speed.kept_markdown`."""
    commit, dirty = checkout_state(Path(__file__).parents[2])
    about = {
        "cpu": cpu_model(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit,
        "dirty": dirty,
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    write_atomic(file, canonical_json({"about": about, "headings": headings, "rows": rows}) + "\n")
