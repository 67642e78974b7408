"""`bench tune`."""

import sys
from typing import Annotated

import typer

from . import arguments, completion


def tune(
    study: arguments.Study = None,
    points: Annotated[int | None, typer.Option(help="How many settings to try of every method.")] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods, comma-separated, or 'all'; what is said of one is not searched.",
            autocompletion=completion.methods,
        ),
    ] = None,
    dataset: arguments.Dataset = None,
    backbones: arguments.Backbones = None,
    modalities: arguments.Modalities = None,
    seeds: Annotated[int | None, typer.Option(help="On how many training seeds what was chosen runs.")] = None,
    epochs: arguments.Epochs = None,
    device: arguments.Device = None,
    settings: arguments.Settings = None,
    out: arguments.Out = None,
    dry_run: arguments.DryRun = False,
    only_failed: arguments.OnlyFailed = False,
    keep_stale: arguments.KeepStale = False,
    strict: arguments.Strict = False,
    jobs: arguments.Jobs = None,
) -> None:
    """Search each method's settings, choose on valid, and run what was chosen on all seeds.

    What is done already is not done again.
    """
    from ..study.named import check_names
    from ..study.study import read_study

    what = {"methods": methods, "datasets": dataset, "backbones": backbones, "modalities": modalities, "seeds": seeds}
    how = {"training.epochs": epochs, "device": device, "points": points}
    chosen = read_study(study, what | how, settings or [])
    check_names(chosen)
    from ..running.request import Request
    from ..running.session import tune_study  # which takes seconds to import

    request = Request(
        out or chosen.directory, dry_run, only_failed, keep_stale=keep_stale, strict=strict, jobs=jobs or 1
    )
    sys.exit(tune_study(chosen, request))
