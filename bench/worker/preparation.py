"""What a process is given before it computes: seeds, threads, kernels."""

import random

import numpy as np
import torch

from ...cell import Cell


def prepare_process(cell: Cell) -> None:
    """Seeds, threads and kernels of this process."""
    random.seed(cell.seed)
    np.random.seed(cell.seed)  # noqa: NPY002 - for libraries; our own code uses generators of its own
    torch.manual_seed(cell.seed)
    if cell.threads:
        torch.set_num_threads(cell.threads)
    # In half precision torch prefers cuDNN's attention on newer GPUs. That plans anew for every shape it has not seen,
    # and of our batches hardly two have the same: on an H200 one of ViT-base's layers took 90 ms forward and
    # back over a new shape, and 1 ms over one seen before.
    torch.backends.cuda.enable_cudnn_sdp(False)
    if cell.deterministic:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
