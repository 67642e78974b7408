"""`bench plan`."""

import sys
from typing import Annotated

import typer

from ...errors import BenchError
from . import arguments


def plan(
    study: arguments.Study = None,
    methods: arguments.Methods = None,
    backbones: arguments.Backbones = None,
    text_backbone: arguments.TextBackbone = None,
    image_backbone: arguments.ImageBackbone = None,
    batch: Annotated[int | None, typer.Option(help="Users a batch.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16.")] = None,
    dataset: arguments.Dataset = None,
    users: Annotated[int | None, typer.Option(help="Without a dataset: how many users.")] = None,
    items: Annotated[int | None, typer.Option(help="Without a dataset: how many items there are.")] = None,
    length: Annotated[int | None, typer.Option(help="Without a dataset: items of a user to train on.")] = None,
    modalities: arguments.Modalities = None,
    gpu: Annotated[
        str | None, typer.Option(help="A card by name (h100, a10, …) or a file that describes one: what fits, floors.")
    ] = None,
    memory_limit: Annotated[str | None, typer.Option(help="What may be used of a memory, as in 24GiB.")] = None,
    settings: arguments.Settings = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure in two minutes what this machine takes, to plan times by.")
    ] = False,
    out: arguments.Out = None,
) -> None:
    """Say what a study will cost, without running it: no weights, no GPU."""
    from ..study.named import check_names
    from ..study.study import read_study

    given = {"users": users, "items": items, "length": length}
    stated = {name: value for name, value in given.items() if value is not None}
    if stated and dataset:
        raise BenchError(f"--{next(iter(stated))} and --dataset: a dataset says that itself; give one of the two")
    if stated:
        dataset = [f"stated:{','.join(f'{name}={value}' for name, value in stated.items())}"]
    what = {"methods": methods, "datasets": dataset, "modalities": modalities, "backbones": backbones}
    how = {"training.batch": batch, "training.precision": precision}
    towers = {"text_backbone": text_backbone, "image_backbone": image_backbone}
    chosen = read_study(study, what | towers | how, settings or [])
    check_names(chosen)
    from ..planning.cards import find_card, read_limit

    card = None if gpu is None else find_card(gpu)
    limit = None if memory_limit is None else read_limit(memory_limit)
    from ..planning.session import plan_study  # which takes seconds to import

    where = out or chosen.directory.with_name(f"{chosen.name}-plan")
    sys.exit(plan_study(chosen, where, card, limit, calibrate))
