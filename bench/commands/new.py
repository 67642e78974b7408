"""`bench new`: a start of a study, of a description of data, or of a method, to go on from."""

import os
import re
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from ...errors import BenchError, quoted
from ...files import write_atomic
from ..console import Screen
from .arguments import examples

app = typer.Typer(no_args_is_help=True, help="Write a start of a study, a dataset or a method, to go on from.")

_STARTS = Path(__file__).parent / "starts"
_NAME = re.compile(r"\w[\w-]*")
_LONGEST = 80

Name = Annotated[str, typer.Argument(help="What it is called: letters, digits, - and _.")]


@app.command(name="study", epilog=examples("bench new study mine"))
def new_study(name: Name) -> None:
    """Write NAME.toml: a short study that runs as it is, with every key and what it means."""
    from ...cell import Training
    from ..study.commented import commented
    from ..study.schema import Study

    file = _free(Path(f"{_checked(name)}.toml"))
    head = f"What does this study ask?\n\n    bench run {file} --dry-run     # what would run\n    bench run {file}"
    study = Study(
        name=name,
        methods=["fft", "lora", "iisan-cached"],
        datasets=["bazaar"],
        backbones=["micro"],
        seeds=1,
        training=Training(epochs=7, batch=32, learning_rate_scale=5.0),
    )
    _write(file, commented(study, head), f"bench run {file}")


@app.command(name="dataset", epilog=examples("bench new dataset shop"))
def new_dataset(name: Name) -> None:
    """Write NAME/dataset.toml: what describes data of your own, to be filled in."""
    from ...datasets.sources.description import Description
    from ..study.commented import commented

    file = _free(Path(_checked(name)) / "dataset.toml")
    head = (
        "Two tables and a folder of pictures, beside this file:\n"
        "    ratings.csv        user,item,time\n"
        "                       u1,b3,1700000000\n"
        "    items.csv          id,title\n"
        "                       b3,A blue lamp\n"
        "    pictures/b3.png\n"
        "Call files and columns as yours are called, then:\n"
        f"    bench run --dataset {name} --dry-run     # whether it is understood"
    )
    description = Description.model_validate(
        {
            "name": name,
            "interactions": {"file": "ratings.csv", "user": "user", "item": "item", "time": "time", "time_unit": "s"},
            "items": {"file": "items.csv", "id": "id", "text": "title"},
            "images": {"folder": "pictures", "pattern": "{id}.png"},
        }
    )
    _write(file, commented(description, head), f"bench run --dataset {name} --dry-run")


@app.command(name="method", epilog=examples("bench new method my-method"))
def new_method(name: Name) -> None:
    """Write a method as a Python file of its own that trains as it is."""
    module = _checked(name).replace("-", "_").lower()
    if not module.isidentifier() or iskeyword(module):
        raise BenchError(f"method {quoted(name)}: Python can have no module {module}.py: begin its name with a letter")
    file = _free(Path(f"{module}.py"))
    if find_spec(module) is not None:
        raise BenchError(f"method {quoted(name)}: a module that is installed is called {module}: choose another name")
    class_name = "".join(part[:1].upper() + part[1:] for part in re.split("[-_]+", name))
    start = Template((_STARTS / "method.py.txt").read_text(encoding="utf-8"))
    text = start.substitute(name=name, module=module, class_name=class_name)
    _write(file, text, f"bench run --methods ./{file}:{class_name} --dataset bazaar --epochs 3")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name.encode()) > _LONGEST:
        raise BenchError(f"{quoted(name)}: a name of letters, digits, - and _ is needed, of {_LONGEST} bytes at most")
    return name


def _free(file: Path) -> Path:
    """BenchError when there is something already: nothing of a user's is overwritten."""
    if os.path.lexists(file):
        raise BenchError(f"{file}: it is there already, and stays as it is: choose another name, or move it away")
    return file


def _write(file: Path, text: str, then: str) -> None:
    write_atomic(file, text)
    Screen().say(f"written: {file}; go on with: {then}")
