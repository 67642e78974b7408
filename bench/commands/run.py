"""`bench run`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .arguments import path


def run(
    study: Annotated[str | None, typer.Argument(help="A study file (.toml) or a shipped one; none: the demo.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods, comma-separated, or 'all'; with settings: lora:r=16,lr=4e-4.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="bazaar[:items=…,users=…], a folder, or as bench list datasets says.")
    ] = None,
    backbones: Annotated[
        list[str] | None, typer.Option(help="micro, bert-base+vit-base, clip-b32 or TEXT+IMAGE.")
    ] = None,
    text_backbone: Annotated[str | None, typer.Option(help="A text backbone: name, folder or hub id.")] = None,
    image_backbone: Annotated[str | None, typer.Option(help="An image backbone: name, folder or hub id.")] = None,
    weights: Annotated[str | None, typer.Option(help="pretrained or random (to measure cost without weights).")] = None,
    modalities: Annotated[str | None, typer.Option(help="both, text or image.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many training seeds, from 0.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Timing repeats of each seed, methods taking turns.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs of each cell.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of a study: --set training.batch=32.")
    ] = None,
    out: Annotated[Path | None, typer.Option(parser=path, help="The study's directory; default runs/NAME.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells, what is done and what would run.")
    ] = False,
    only_failed: Annotated[
        bool, typer.Option("--only-failed", help="Run failed and interrupted cells again, and nothing else.")
    ] = False,
    rerun: Annotated[
        str | None,
        typer.Option(metavar="all|METHOD,…", help="Run these again: lora for all its variants, lora:r=16 for one."),
    ] = None,
    keep_stale: Annotated[
        bool, typer.Option("--keep-stale", help="Count as done what code, data or towers that have changed left.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 when a cell failed.")] = False,
) -> None:
    """Run a study and write its report. What is done already is not done again."""
    from ..running.session import Request, run_study
    from ..study.study import read_study
    from ..study.variants import split_methods

    what = {"methods": methods, "datasets": dataset, "modalities": modalities, "seeds": seeds, "repeats": repeats}
    towers = {"backbones": backbones, "text_backbone": text_backbone, "image_backbone": image_backbone}
    overrides: dict[str, Any] = what | towers | {"weights": weights, "training.epochs": epochs, "device": device}
    if epochs is not None:
        overrides["epochs"] = {}  # the flag speaks for every method
    chosen = read_study(study, overrides, settings or [])
    request = Request(
        out or Path("runs") / chosen.name,
        dry_run=dry_run,
        only_failed=only_failed,
        rerun=tuple(split_methods(rerun or "")),
        keep_stale=keep_stale,
        strict=strict,
    )
    sys.exit(run_study(chosen, request))
