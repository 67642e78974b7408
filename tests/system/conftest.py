"""The command as a user runs it, small towers to run it with, and small data of one's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
import warm
from PIL import Image

from tpmebench.bench.nursery import AVAILABLE

BENCH = Path(sys.executable).with_name("bench")
WORDS = ("red", "green", "blue", "lamp", "chair", "table", "rug", "shelf")

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
Dataset = Callable[..., Path]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decoded pictures and feature caches that all commands of this test session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def settings(cache: Path) -> dict[str, str]:
    """The environment in which the tests run the command."""
    return {"TPMEBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def bench(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory, bench_afresh: Run) -> Iterator[Run]:
    """Runs the command to its end: `bench("list", "methods", cwd=tmp_path)`; keywords are environment variables."""
    if not AVAILABLE:
        yield bench_afresh
        return
    nursery = warm.open_nursery(os.environ | settings, tmp_path_factory.mktemp("warm") / "log")

    def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm.run_command(nursery, arguments, cwd, os.environ | settings | environment)

    yield run
    nursery.close()


@pytest.fixture(scope="session")
def bench_afresh(settings: dict[str, str]) -> Run:
    """The same by the installed script and an interpreter of its own, for tests of how the command starts."""

    def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BENCH, *arguments],
            cwd=cwd,
            env=os.environ | settings | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def bench_started(settings: dict[str, str]) -> Iterator[Start]:
    """Starts the command and lets it run; what still runs when the test ends is killed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else the command inherits it ignored from a shell's `&`
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [BENCH, *arguments],
            cwd=cwd,
            env=os.environ | settings | environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pair of tiny towers with random weights in Hugging Face layout, as `--backbones` takes it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer, ViTConfig, ViTModel

    torch.manual_seed(0)
    text, image = tmp_path_factory.mktemp("text"), tmp_path_factory.mktemp("image")
    inner = [f"##{letter}" for letter in ascii_lowercase]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ascii_lowercase, *inner]
    BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(text)
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    BertModel(BertConfig(vocab_size=len(pieces), **shape)).save_pretrained(text)
    ViTModel(ViTConfig(image_size=16, patch_size=8, **shape)).save_pretrained(image)
    return f"{text}+{image}"


@pytest.fixture
def own_data(tmp_path: Path) -> Dataset:
    """Writes a dataset of one's own and returns its folder; `items` and `users` say how large it is."""

    def write(items: int = 12, users: int = 8) -> Path:
        folder = tmp_path / "shop"
        (folder / "pictures").mkdir(parents=True)
        rng = np.random.default_rng(5)
        rows = [f"i{item},{WORDS[item % 8]} {WORDS[(item * 3) % 8]}" for item in range(items)]
        (folder / "items.csv").write_text("\n".join(["id,title", *rows]) + "\n")
        for item in range(items):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / f"i{item}.png")
        bought = [f"u{user},i{(user + 2 * step) % items},{1000 + step}" for user in range(users) for step in range(6)]
        (folder / "ratings.csv").write_text("\n".join(["user,item,time", *bought]) + "\n")
        (folder / "dataset.toml").write_text(
            'name = "shop"\n'
            '[interactions]\nfile = "ratings.csv"\nuser = "user"\nitem = "item"\ntime = "time"\ntime_unit = "s"\n'
            '[items]\nfile = "items.csv"\nid = "id"\ntext = "title"\n'
            '[images]\nfolder = "pictures"\npattern = "{id}.png"\n'
        )
        return folder

    return write
