"""Which threads, waiting and pinning give the same order of methods on a quiet machine and on a shared one.

    python tests/soak/threads.py [--epochs 4] [--loads 0,1,2] [--methods fft,lora,iisan,iisan-cached,frozen]

Each configuration trains the methods on the shop with 0, 1 and 2 busy processes beside it, in a process of its own.
Run it on a quiet machine. Prints median seconds of an epoch after the first, the largest share lost to waiting, and
whether the order of the methods is that of the quiet run: TPME needs no more of times than that and their ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CONFIGURATIONS: dict[str, dict[str, str]] = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2, spinning (libgomp's own)": {"OMP_NUM_THREADS": "2"},
    "2, spinning, pinned": {"OMP_NUM_THREADS": "2", "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"},
    "2, spinning 10,000 turns": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "10000"},
    "2, spinning 1,000 turns": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "1000"},
    "2, spinning 1,000, pinned": {
        "OMP_NUM_THREADS": "2",
        "GOMP_SPINCOUNT": "1000",
        "OMP_PROC_BIND": "close",
        "OMP_PLACES": "cores",
    },
    "2, passive": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
}
SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "OMP_PLACES")


def train(methods: list[str], epochs: int, threads: int) -> None:
    """The child: one JSON line a method with its seconds and the shares lost."""
    import torch

    from tpmebench.bench.worker.build import TrainedCell, assemble
    from tpmebench.bench.worker.step import Trainer
    from tpmebench.cell import BackboneChoice, Cell, Training

    torch.set_num_threads(threads)
    micro = BackboneChoice(text="micro", image="micro")
    for method in methods:
        cell = Cell(method=method, dataset="bazaar:items=1000,users=1000", backbones=micro, training=Training())
        parts = assemble(cell, lambda *_: None)
        assert isinstance(parts, TrainedCell)
        trainer = Trainer(parts)
        trainer.warm_up()
        found = [trainer.epoch(number).record(users=1000) for number in range(epochs)][1:]
        seconds, lost = [epoch.total for epoch in found], [epoch.disturbance for epoch in found]
        print(json.dumps({"method": method, "seconds": seconds, "lost": lost}), flush=True)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other work on the machine."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure(environment: dict[str, str], methods: list[str], epochs: int, load: int) -> dict[str, tuple[float, float]]:
    """Median seconds and largest share lost of each method."""
    command = [sys.executable, __file__, "--child", environment["OMP_NUM_THREADS"], "--epochs", str(epochs)]
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    with busy(load):
        done = subprocess.run(
            [*command, "--methods", ",".join(methods)],
            env=kept | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["method"]: (statistics.median(row["seconds"]), max(row["lost"])) for row in rows}


def order(found: dict[str, tuple[float, float]]) -> list[str]:
    """Methods, the fastest first."""
    return sorted(found, key=lambda method: found[method][0])


def main() -> None:
    """Measures every configuration under every load and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--methods", default="fft,lora,iisan,iisan-cached,frozen")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--loads", default="0,1,2", help="busy processes beside it, the quiet run first")
    parser.add_argument("--only", default="", help="configurations whose name holds this")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    methods = given.methods.split(",")
    if given.child:
        train(methods, given.epochs, given.child)
        return
    print(f"load at the start {os.getloadavg()[0]:.1f}; seconds of an epoch (largest share lost)")
    print(f"{'configuration':28} {'busy':>4}  {'  '.join(f'{method:>16}' for method in methods)}  order")
    for name, environment in CONFIGURATIONS.items():
        quiet: list[str] = []
        for load in map(int, given.loads.split(",")) if given.only in name else ():
            found = measure(environment, methods, given.epochs, load)
            quiet = quiet or order(found)
            texts = "  ".join(f"{found[method][0]:8.3f} ({found[method][1]:5.1%})" for method in methods)
            same = "as quiet" if order(found) == quiet else " < ".join(order(found))
            print(f"{name:28} {load:4}  {texts}  {same}", flush=True)


if __name__ == "__main__":
    main()
