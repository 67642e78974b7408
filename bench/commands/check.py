"""`bench check`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import BenchError
from . import arguments
from .arguments import Form, path
from .verdict import print_outcome


def check(
    directory: Annotated[
        Path | None,
        typer.Argument(
            parser=path,
            help="A study's directory, or a JSON file of pytest-benchmark; with --against or --plan a study, "
            "by default ci.",
        ),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(parser=path, help="The baseline file.")] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Make this run the baseline; other machines' times stay in it.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="REF", help="Measure the costs at this ref of git and now, in turns, and compare them."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Hold what the study is planned to cost against a baseline of plans.")
    ] = False,
    methods: arguments.Methods = None,
    dataset: arguments.Dataset = None,
    backbones: arguments.Backbones = None,
    device: arguments.Device = None,
    settings: arguments.Settings = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0, max=10, help="With --against: a slow-down of a step that is none. [0.03]")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, max=10_000, help="With --against: after how long no pair is begun. [10]")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Judge by epochs that lost time to other work as well.")
    ] = False,
) -> None:
    """Check a run or plan against a baseline, or code against a ref: status 1, with a table of what got worse."""
    form = "markdown" if markdown else form
    names: dict[str, Any] = {"methods": methods, "datasets": dataset, "backbones": backbones, "device": device}
    measured = {"--methods": methods, "--dataset": dataset, "--backbones": backbones, "--device": device}
    measured |= {"--set": settings, "--tolerance": tolerance, "--minutes": minutes}
    if against is not None:
        given = {"--baseline": baseline, "--update": update, "--disturbed": disturbed, "--plan": plan}
        _refuse(given, "a baseline", "--against")
        status = _against(str(directory or "ci"), against, (names, settings or []), (tolerance, minutes), form)
        sys.exit(status)
    if plan:
        if baseline is None:
            raise BenchError("bench check --plan: --baseline FILE is missing; with --update it is made")
        _refuse({"--disturbed": disturbed}, "a run", "--plan")
        _refuse({"--device": device, "--tolerance": tolerance, "--minutes": minutes}, "--against", "--plan")
        sys.exit(_planned(str(directory or "ci"), (names, settings or []), baseline, update, form))
    if directory is None or baseline is None:
        lacking = "DIRECTORY" if directory is None else "--baseline FILE"
        raise BenchError(f"bench check: {lacking} is missing; give DIRECTORY --baseline FILE, or --against REF")
    _refuse(measured, "--against", "a baseline")
    _check(directory, baseline, update, disturbed, form)


def _refuse(given: dict[str, Any], whose: str, here: str) -> None:
    for option, value in given.items():
        if value not in (None, False):
            raise BenchError(f"{option}: goes with {whose}, not with {here}; leave it out")


def _check(directory: Path, baseline: Path, update: bool, disturbed: bool, form: Form) -> None:
    from ...reports.reading import record_paths
    from ..guard.baseline import read

    if not update:
        read(baseline)
    if not directory.is_file():
        record_paths(directory)
    from ..guard.check import CheckOptions, run_check  # which takes a second to import

    status, outcome = run_check(directory, baseline, CheckOptions(update, disturbed))
    print_outcome(outcome, form)
    sys.exit(status)


def _planned(study: str, what: tuple[dict[str, Any], list[str]], baseline: Path, update: bool, form: Form) -> int:
    """Plans and compares; its progress is shown on standard error."""
    from ..guard.baseline import read

    if not update:
        read(baseline)
    from ..study.named import check_names
    from ..study.study import read_study

    chosen = read_study(study, *what)
    check_names(chosen)
    from ..console import Screen
    from ..guard.planned import run_plan_check  # which takes seconds to import

    status, outcome = run_plan_check(chosen, baseline, update, Screen(stderr=True))
    print_outcome(outcome, form)
    return status


def _against(
    study: str,
    ref: str,
    what: tuple[dict[str, Any], list[str]],
    limits: tuple[float | None, float | None],
    form: Form,
) -> int:
    """Measures and compares, telling of its progress on standard error."""
    from ..study.named import check_names
    from ..study.study import read_study

    chosen = read_study(study, *what)
    check_names(chosen)
    from ..console import Screen
    from ..guard.against.gate import Against, run_against

    tolerance, minutes = limits
    asked = Against(ref)
    asked = replace(asked, tolerance=asked.tolerance if tolerance is None else tolerance)
    asked = replace(asked, minutes=asked.minutes if minutes is None else minutes)
    status, outcome = run_against(chosen, asked, Screen(stderr=True).say)
    print_outcome(outcome, form)
    return status
