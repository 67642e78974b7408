"""`bench run`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import BenchError
from . import arguments
from .verdict import print_outcome


def run(
    study: arguments.Study = None,
    methods: arguments.Methods = None,
    dataset: arguments.Dataset = None,
    backbones: arguments.Backbones = None,
    text_backbone: arguments.TextBackbone = None,
    image_backbone: arguments.ImageBackbone = None,
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
    jobs: arguments.Jobs = None,
    source: arguments.Source = None,
) -> None:
    """Run a study and write its report. What is done already is not done again."""
    if source is not None:
        given = {name: value for name, value in locals().items() if value not in (None, False)}
        sys.exit(_again(source, given))
    from ..study.asked import read_sweeps
    from ..study.named import check_names
    from ..study.study import read_study
    from ..study.variants import split_methods

    what = {"methods": methods, "datasets": dataset, "modalities": modalities, "seeds": seeds, "repeats": repeats}
    towers = {"backbones": backbones, "text_backbone": text_backbone, "image_backbone": image_backbone}
    how = {"weights": weights, "training.epochs": epochs, "device": device, "costs": costs or None}
    overrides = what | towers | how | {"sweep": read_sweeps(sweep) if sweep else None}
    chosen = read_study(study, overrides, settings or [])
    again = tuple(split_methods(rerun or ""))
    check_names(chosen, again)
    from ..running.request import Request
    from ..running.session import run_study  # which takes seconds to import

    kept = {"keep_stale": keep_stale, "strict": strict, "save": save, "jobs": jobs or 1}
    sys.exit(run_study(chosen, Request(out or chosen.directory, dry_run, only_failed, again, **kept)))


_AGAIN = ("methods", "seeds", "dataset", "text_backbone", "image_backbone", "device", "out", "dry_run", "strict")
"""What may be said beside --from: which of the cells, where their parts stand now, on what to run, where to write."""


def _again(source: Path, given: dict[str, Any]) -> int:
    """Runs cells again as their records say."""
    for name in given.keys() - {*_AGAIN, "source"}:
        option = "STUDY" if name == "study" else f"--{name.replace('_', '-').replace('settings', 'set')}"
        raise BenchError(f"{option} and --from: a cell that is repeated is as its record says; leave {option} out")
    datasets = given.get("dataset") or []
    if len(datasets) > 1:
        raise BenchError("--dataset and --from: give one dataset, the one that all of the cells are of")
    from ..running.repeat import Again, run_again
    from ..saved.rebuilt import Instead

    instead = Instead(next(iter(datasets), None), given.get("text_backbone"), given.get("image_backbone"))
    plain = {name: given[name] for name in ("methods", "seeds", "device", "dry_run", "strict") if name in given}
    asked = Again(source, given.get("out"), instead=instead, **plain)
    return run_again(asked, lambda outcome: print_outcome(outcome, "table"))
