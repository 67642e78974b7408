"""The times of a plan: what a study's steps take on this machine, by its calibration, kept or measured now."""

from collections.abc import Sequence

import torch

from ...errors import BenchError
from ...files import is_file
from .calibrate import Bench, Tell, calibrate
from .calibration import Calibration, Machine, calibration_path, load_calibration
from .epoch import TypicalStep


def kept_calibration(threads: int) -> Calibration | None:
    """This machine's, for so many threads (0: torch's own choice); None when it was never measured. BenchError for a
    file that is damaged.
    """
    machine = _machine(threads)
    path = calibration_path(machine)
    return load_calibration(path, machine) if is_file(path) else None


def measure(steps: Sequence[TypicalStep], threads: int, tell: Tell) -> Calibration:
    """Calibrates this machine by the steps of a study, within two minutes, and keeps that beside what was kept of
    other steps.
    """
    machine = _machine(threads)
    found = calibrate([step.mode for step in steps], Bench(torch.device("cpu"), tell=tell))
    try:
        older = kept_calibration(threads)
    except BenchError:  # what cannot be read is what is being replaced
        older = None
    merged = found.merged(older)
    merged.save(calibration_path(machine))
    return merged


def _machine(threads: int) -> Machine:
    if threads:
        torch.set_num_threads(threads)
    return Machine.here()
