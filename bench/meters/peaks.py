"""Peak memory of this process: torch's allocator and the driver's word on CUDA, resident memory everywhere."""

import torch

from ...reports.records import PhaseMemory
from . import process
from .cuda import CudaMemory


class PeakMemory:
    """Peaks since the last reset."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = CudaMemory(device)

    def reset(self) -> None:
        """Waits for the GPU; from here on the peaks are of what follows."""
        self._cuda.reset_peak()
        process.reset_peak_rss()

    def read(self) -> PhaseMemory:
        """The peaks, but for those of tensors on a CPU, which only `TensorBytes` knows."""
        return PhaseMemory(
            allocated=self._cuda.allocated(),
            reserved=self._cuda.reserved(),
            process=self._cuda.process(),
            rss=process.peak_rss(),
        )
