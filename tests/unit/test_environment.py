"""What a record says of the machine, the process and the parameters."""

import mmap
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tpmebench.bench.meters import cuda, environment, parameters, process
from tpmebench.bench.running.cell_process import cell_environment
from tpmebench.bench.study.grid import plan
from tpmebench.bench.study.study import Study


def test_this_machine_is_described() -> None:
    found = environment.describe("cpu", deterministic=True)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.cpu
    assert found.cores >= 1
    assert found.threads == torch.get_num_threads()
    assert found.ram > 2**30
    assert found.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert (found.gpu, found.driver, found.deterministic) == (None, None, True)


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.hooksPath=/none",
    ]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_gives_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    assert environment.checkout_state(tmp_path) == (None, None)  # an installed package
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    assert environment.checkout_state(tmp_path) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "a.py").write_text("a = 2\n")
    assert environment.checkout_state(tmp_path)[1] is True
    inside = tmp_path / "site-packages" / "tpmebench"
    inside.mkdir(parents=True)
    assert environment.checkout_state(inside) == (None, None)  # somebody else's repository around it


def test_a_busy_machine_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "share_in_use", lambda: 0.9)
    assert environment.busy_warnings(load=0.4, cores=2) == []
    (warning,) = environment.busy_warnings(load=3.0, cores=2)
    assert "load 3.0 on 2 cores" in warning
    monkeypatch.setattr(environment, "share_in_use", lambda: 0.05)  # what made the load has ended
    assert environment.busy_warnings(load=3.0, cores=2) == []
    monkeypatch.setattr(cuda, "processes", lambda device: [(os.getpid(), 1), (1, 2)] if device else [])
    assert environment.busy_warnings(load=0, cores=2, device="cpu") == []
    (warning,) = environment.busy_warnings(load=0, cores=2, device="cuda:0")
    assert "1 other process" in warning


def test_what_the_driver_cannot_be_asked_is_said_on_a_card_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert environment.unseen("cpu") == []
    (line,) = environment.unseen("cuda:0")
    assert "nvidia-ml-py" in line and "tpme-bench[gpu]" in line
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace())  # type: ignore[arg-type]
    assert environment.unseen("cuda:0") == []


def test_use_of_the_cores_is_a_share() -> None:
    assert 0 <= environment.share_in_use() <= 1


def test_the_driver_is_known_without_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: line)
    assert environment._driver_from_proc() == "550.54.15"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks restart on Linux only")
def test_the_peak_of_resident_memory_starts_anew() -> None:
    size = 200 * 2**20
    with mmap.mmap(-1, size) as block:  # new pages: malloc would give what other tests have freed
        block[:: mmap.PAGESIZE] = b"1" * (size // mmap.PAGESIZE)
        high = process.peak_rss()
    assert process.reset_peak_rss()
    low = process.peak_rss()
    assert high - low > 0.8 * size
    assert abs(low - process.rss()) < 0.2 * size


def test_without_a_reset_the_peak_is_since_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_STATUS", tmp_path / "absent")
    monkeypatch.setattr(process, "_CLEAR", tmp_path / "absent" / "too")
    assert not process.reset_peak_rss()
    assert process.peak_rss() >= process.rss() // 2


def test_the_system_counts_resident_memory_in_kibibytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name: x\nVmHWM:\t    1000 kB\n")
    monkeypatch.setattr(process, "_STATUS", tmp_path / "status")
    assert process.peak_rss() == 1_024_000


def test_without_a_card_its_meters_say_so() -> None:
    memory = cuda.CudaMemory("cpu")
    memory.reset_peak()
    assert (memory.allocated(), memory.reserved(), memory.process(), cuda.energy(None)) == (None, None, None, None)


@pytest.mark.parametrize(
    ("visible", "device", "handle"),
    [(None, "cuda", 0), (None, "cuda:1", 1), ("3,1", "cuda:0", 3), ("0, GPU-ab", "cuda:1", "GPU-ab")],
)
def test_the_driver_tells_of_processes_and_energy(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, handle: int | str
) -> None:
    """Against a stand-in for NVML: the card is found among the visible ones, millijoules become joules."""
    counter = iter([5000, 7500])
    running = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=123), SimpleNamespace(pid=1, usedGpuMemory=9)]
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetComputeRunningProcesses=lambda card: {handle: running}[card],
        nvmlDeviceGetTotalEnergyConsumption=lambda card: {handle: next(counter)}[card],
        nvmlSystemGetDriverVersion=lambda: b"550.54",
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    monkeypatch.setattr(cuda, "_cuda", lambda: SimpleNamespace(synchronize=lambda device: None))
    assert (cuda.energy(device), cuda.energy(device)) == (5.0, 7.5)
    assert cuda.CudaMemory(device).process() == 123
    assert cuda.driver_version(device) == "550.54"


def test_parameters_by_part_count_shared_ones_once() -> None:
    tower = nn.Linear(3, 4).requires_grad_(False)
    head = nn.Sequential(nn.Linear(4, 2), tower)
    found = parameters.describe({"tower": tower, "head": head, "rest": [nn.Parameter(torch.ones(5))]}, saved_bytes=60)
    assert found.parts == {"tower": (0, 16), "head": (10, 10), "rest": (5, 5)}
    assert (found.trainable, found.total, found.saved_bytes) == (15, 31, 60)


def test_a_cells_memory_settings_give_way_to_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    (planned, *_) = plan(Study(methods=["fft"], device="cpu"), Path("nowhere"), "0.1.0")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    assert cell_environment(planned.cell).keys() >= {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    assert cell_environment(planned.cell)["MALLOC_TRIM_THRESHOLD_"] == "0"


def test_waiting_threads_give_way_soon_unless_the_user_says_how_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    (planned, *_) = plan(Study(methods=["fft"], device="cpu"), Path("nowhere"), "0.1.0")
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    assert cell_environment(planned.cell)["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert cell_environment(planned.cell)["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # which the count of turns would override
    assert not cell_environment(planned.cell).keys() & {"GOMP_SPINCOUNT", "KMP_BLOCKTIME"}


def test_looking_for_a_card_does_not_open_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries do it while they are imported, and a process that is forked afterwards could use no card."""
    (planned, *_) = plan(Study(methods=["fft"], device="cpu"), Path("nowhere"), "0.1.0")
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)
    assert cell_environment(planned.cell)["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
