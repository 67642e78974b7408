"""Whether `bench run --costs` gives the T of whole epochs: within 5 % for every method, on a quiet machine.

python tests/soak/costs.py [METHODS]      # on two cores some minutes a method; ends with status 1 when one is off
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tpmebench.reports.analysis.epochs import mean_epoch
from tpmebench.reports.reading import load_records

METHODS = "fft,lora,iisan,iisan-cached,frozen-cached"
WITHIN = 0.05


def seconds(directory: Path, arguments: list[str]) -> dict[str, float | None]:
    """T of each method of a study."""
    command = [str(Path(sys.executable).with_name("bench")), "run", *arguments, "--set", "references=false"]
    subprocess.run([*command, "--strict", "--out", str(directory)], check=True)
    records = load_records(directory)
    return {record.cell.method: mean_epoch(record, lambda epoch: epoch.total) for record in records}


def main(methods: str) -> int:
    """The two ways side by side; 1 when they differ, or when the machine was too busy to tell."""
    with tempfile.TemporaryDirectory() as scratch:
        short = seconds(Path(scratch) / "costs", ["--methods", methods, "--costs"])
        whole = seconds(Path(scratch) / "whole", ["--methods", methods, "--epochs", "6"])
    off = False
    for method, expected in whole.items():
        found = short[method]
        if expected is None or found is None:
            print(f"{method}: no T, the machine was busy")
            off = True
            continue
        off |= abs(found / expected - 1) > WITHIN
        print(f"{method}: {found:.3f} s by --costs, {expected:.3f} s by whole epochs, {found / expected - 1:+.1%}")
    return int(off)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else METHODS))
