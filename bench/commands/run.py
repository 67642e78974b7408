"""`bench run`."""

import sys
from typing import Annotated

import typer

from . import arguments


def run(
    study: arguments.Study = None,
    methods: arguments.Methods = None,
    dataset: arguments.Dataset = None,
    backbones: arguments.Backbones = None,
    text_backbone: Annotated[str | None, typer.Option(help="A text backbone: name, folder or hub id.")] = None,
    image_backbone: Annotated[str | None, typer.Option(help="An image backbone: name, folder or hub id.")] = None,
    weights: Annotated[str | None, typer.Option(help="pretrained or random (to measure cost without weights).")] = None,
    modalities: arguments.Modalities = None,
    seeds: arguments.Seeds = None,
    repeats: Annotated[int | None, typer.Option(help="Timing repeats of each seed, methods taking turns.")] = None,
    epochs: arguments.Epochs = None,
    costs: Annotated[bool, typer.Option("--costs", help="Measure only what training costs, no accuracy.")] = False,
    device: arguments.Device = None,
    settings: arguments.Settings = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="Values to try in every combination: lora.r=4,8,16 or '*.KEY=…'.")
    ] = None,
    out: arguments.Out = None,
    dry_run: arguments.DryRun = False,
    only_failed: arguments.OnlyFailed = False,
    rerun: Annotated[
        str | None,
        typer.Option(metavar="all|METHOD,…", help="Run these again: lora for all its variants, lora:r=16 for one."),
    ] = None,
    keep_stale: arguments.KeepStale = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep what each cell trained, of its best epoch, for bench export.")
    ] = False,
    strict: arguments.Strict = False,
) -> None:
    """Run a study and write its report. What is done already is not done again."""
    from ..study.asked import read_sweeps
    from ..study.named import check_names
    from ..study.study import read_study
    from ..study.variants import split_methods

    what = {"methods": methods, "datasets": dataset, "modalities": modalities, "seeds": seeds, "repeats": repeats}
    towers = {"backbones": backbones, "text_backbone": text_backbone, "image_backbone": image_backbone}
    how = {"weights": weights, "training.epochs": epochs, "device": device, "costs": costs or None}
    overrides = what | towers | how | {"sweep": read_sweeps(sweep) if sweep else None}
    chosen = read_study(study, overrides, settings or [])
    check_names(chosen)
    from ..running.request import Request
    from ..running.session import run_study  # which takes seconds to import

    again = tuple(split_methods(rerun or ""))
    directory = out or chosen.directory
    request = Request(directory, dry_run, only_failed, again, keep_stale=keep_stale, strict=strict, save=save)
    sys.exit(run_study(chosen, request))
