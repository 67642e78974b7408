"""Where a cell runs: machine, versions, source state, and whether the machine is busy with something else."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...reports.records import Environment
from . import cuda
from .energy import EnergyMeter

_PACKAGES = ("tpme-bench", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy", "pillow")

# Runnable threads a core, averaged over a minute, and share of all cores in use now, above which a machine is busy.
# The average remembers what has just ended (a build, the study before), so both must be exceeded.
_BUSY_LOAD_PER_CORE = 0.5
_BUSY_SHARE = 0.2
_LOOK_SECONDS = 0.5


def describe(device: Any = "cpu", deterministic: bool = False) -> Environment:
    """The environment of this process, computing on `device`. Its warnings are for the caller: `busy_warnings`."""
    import psutil
    import torch

    root = Path(__file__).resolve().parents[2]
    commit, dirty = checkout_state(root)
    name = str(device)
    on_cuda = name.startswith("cuda")
    energy = EnergyMeter(device)
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_model(),
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        ram=psutil.virtual_memory().total,
        gpu=torch.cuda.get_device_name(name) if on_cuda else None,
        driver=(cuda.driver_version(name) or _driver_from_proc()) if on_cuda else None,
        versions=versions() | ({"cuda": torch.version.cuda} if on_cuda and torch.version.cuda else {}),
        commit=commit,
        dirty=dirty,
        deterministic=deterministic,
        load=load_average(),
        energy_counters=energy.names,
        energy_unread=energy.unread,
    )


def busy_warnings(load: float, cores: int, device: str = "cpu") -> list[str]:
    """One line for each sign that something else uses the machine: load and use of the cores, processes on the GPU.

    To be asked before the work starts. It looks for half a second when the load is high.
    """
    warnings = []
    if load / cores > _BUSY_LOAD_PER_CORE and share_in_use() > _BUSY_SHARE:
        warnings.append(f"the machine was busy at the start: load {load:.1f} on {cores} cores; times may be too long")
    others = cuda.others(device if device.startswith("cuda") else None)
    if others:
        warnings.append(f"{others} other process(es) on {device} at the start; times and memory may be too high")
    return warnings


def unseen(device: str) -> list[str]:
    """One line when the GPU's driver cannot be asked, so that energy, driver and other processes stay unknown."""
    if device.startswith("cuda") and not cuda.has_bindings():
        missing = "nvidia-ml-py is not installed, so energy and other processes on the GPU are not measured"
        return [f"{missing}: pip install 'tpme-bench[gpu]'"]
    return []


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_in_use() -> float:
    """Share of all cores that work now, this process asleep."""
    import psutil

    return psutil.cpu_percent(interval=_LOOK_SECONDS) / 100


def load_average() -> float:
    """Runnable threads, averaged over the last minute; 0 where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def checkout_state(root: Path) -> tuple[str | None, bool | None]:
    """The git commit of the checkout at `root`, and whether files differ from it; None for both without a checkout."""
    if not (root / ".git").exists():
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", ".", ":!reports/published", ":!baselines")  # not code
    return commit, None if changes is None else bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _driver_from_proc() -> str | None:
    """The kernel module's first line names its version: "NVRM version: NVIDIA … Kernel Module  550.54  …"."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0].split()
    except (OSError, IndexError):
        return None
    return next((word for word in words if word[:1].isdigit() and "." in word), None)
