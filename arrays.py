"""NumPy's `.npy` files, read only when they are whole: what is none, or another's, is an error that names the file."""

import math
import os
from pathlib import Path
from typing import Literal

import numpy as np

from .errors import BenchError
from .files import open_file, reason, too_large


def map_array(path: Path, mode: Literal["r", "c", "r+"] = "r", remedy: str = "remove the file") -> np.memmap:
    """The array in a `.npy` file, mapped into memory, nothing of it read. `remedy`: what to do with one that is none.

    BenchError unless it is such a file whole: an archive, a pickle, an empty file or one that is shorter or longer
    than its header says are named.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version](file)
            if dtype.hasobject or size != file.tell() + math.prod(shape) * dtype.itemsize:
                raise ValueError(f"{size} bytes for {shape} of {dtype}")
        except Exception as error:  # the header is parsed as Python source, which fails in many ways
            raise BenchError(f"{path}: not a whole .npy array ({reason(error)}): {remedy}") from error
    try:
        return np.lib.format.open_memmap(path, mode=mode)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be mapped into memory ({reason(error)}): {remedy}") from error


def read_array(path: Path, most: int = 1 << 32) -> np.ndarray:
    """The array in a `.npy` file, read into memory; BenchError as for `map_array`, and over `most` bytes."""
    mapped = map_array(path)
    if mapped.nbytes > most:
        raise too_large(path, most)
    return np.array(mapped)
