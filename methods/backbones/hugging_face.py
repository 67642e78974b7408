"""transformers and the hub, as we use them: quiet, and not asked where nothing may be fetched."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def transformers_quietly() -> Any:
    import transformers

    transformers.logging.set_verbosity(logging.CRITICAL)  # its errors show what a configuration holds, and raise too
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return transformers


@contextmanager
def without_the_hub() -> Iterator[None]:
    """During the block whatever would be fetched is an error: the files of a folder may name other models."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def nothing_printed() -> Iterator[None]:
    """During the block standard output and error lead nowhere: libraries print what a folder's files hold as it is."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        for number in kept:
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
