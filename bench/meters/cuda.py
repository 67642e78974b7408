"""Memory and energy of a CUDA GPU. Everything here answers None, or does nothing, where there is no GPU."""

import os
import sys
from typing import Any


class CudaMemory:
    """Peaks of torch's allocator on one device, and what the driver says of this process.

    Driver figures need NVML's Python bindings (`nvidia-ml-py`, the extra `gpu`), and None stands for them without.
    """

    def __init__(self, device: Any) -> None:
        self._device = str(device) if str(device).startswith("cuda") else None

    def reset_peak(self) -> None:
        """Waits for the GPU; from here on the peaks are of what follows."""
        if self._device:
            cuda = _cuda()
            cuda.synchronize(self._device)
            cuda.reset_peak_memory_stats(self._device)

    def allocated(self) -> int | None:
        """Peak bytes in live tensors since the reset."""
        return _cuda().max_memory_allocated(self._device) if self._device else None

    def reserved(self) -> int | None:
        """Peak bytes that the allocator held since the reset."""
        return _cuda().max_memory_reserved(self._device) if self._device else None

    def process(self) -> int | None:
        """Bytes that this process holds on the GPU now, context included; None when the driver does not tell."""
        return next((used for pid, used in processes(self._device) if pid == os.getpid()), None)


def energy(device: str | None) -> float | None:
    """Joules that the whole GPU has used since its driver was loaded, once it has done what it was given.

    None where it does not count, or NVML does not tell.
    """
    nvml, handle = _handle(device)
    if nvml is None:
        return None
    _cuda().synchronize(device)
    try:
        return nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
    except nvml.NVMLError:
        return None


def processes(device: str | None) -> list[tuple[int, int | None]]:
    """Processes that compute on the GPU, with their bytes (None where the driver hides them); empty without NVML."""
    nvml, handle = _handle(device)
    if nvml is None:
        return []
    try:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return []
    return [(process.pid, process.usedGpuMemory) for process in running]


def others(device: str | None) -> int:
    """How many processes compute on the GPU beside this one; 0 without NVML.

    Counted, not told apart by their ids: to a container the driver names processes by ids that hold outside of it.
    """
    pids = [pid for pid, _ in processes(device)]
    return len(pids) - bool(pids and (os.getpid() in pids or _computes()))


def driver_version(device: str | None) -> str | None:
    """The version of NVIDIA's driver; None where it is not known."""
    nvml, _ = _handle(device)
    if nvml is None:
        return None
    version = nvml.nvmlSystemGetDriverVersion()
    return version.decode() if isinstance(version, bytes) else str(version)


def has_bindings() -> bool:
    """Whether NVML's Python bindings are installed."""
    try:
        import pynvml  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return True


def _computes() -> bool:
    """Whether this process itself has begun to use a GPU; asking does not begin it."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


def _cuda() -> Any:
    import torch

    return torch.cuda


def _handle(device: str | None) -> tuple[Any, Any]:
    """NVML and the GPU's handle in it, None for both without.

    Goes by CUDA_VISIBLE_DEVICES, which NVML ignores, and not through torch: whoever only asks must not open a context
    on the GPU. GPUs of different models need CUDA_DEVICE_ORDER=PCI_BUS_ID, the order NVML counts in.
    """
    if not device:
        return None, None
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None, None
    index = int(device.partition(":")[2] or 0)
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    name = visible[index] if index < len(visible) else str(index)
    try:
        pynvml.nvmlInit()
        if name.isdigit():
            return pynvml, pynvml.nvmlDeviceGetHandleByIndex(int(name))
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(name)
    except pynvml.NVMLError:
        return None, None
