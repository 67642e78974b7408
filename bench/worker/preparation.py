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
    # In half precision torch prefers cuDNN's attention on newer cards. That plans anew for every shape it has not seen,
    # and of our batches hardly two have the same: on an H100 the plans took most of a step.
    torch.backends.cuda.enable_cudnn_sdp(False)
    if cell.deterministic:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
