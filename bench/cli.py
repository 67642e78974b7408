"""The command `bench`. Options are read here; the work is done elsewhere, imported when it is needed."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..errors import BenchError
from ..files import is_possible, remedy
from .console import Screen, forgive_encodings

if TYPE_CHECKING:
    from .guard.findings import Outcome

Form = Literal["table", "markdown", "json", "junit"]
_LOG_WIDTH = 180
_PIPE_CLOSED = 141  # as a shell reports it

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measures what it costs to adapt pretrained encoders to sequential recommendation, and what that buys.",
)


def main() -> None:
    """Runs the command.

    A mistake of the user's, or a place that cannot be written, is one line on standard error and status 2. Ctrl-C is
    status 130; a reader that has read enough, as `head` has, ends it without a word.
    """
    forgive_encodings()
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        _refuse_usage(error)
    except BenchError as error:
        _refuse(str(error))
    except BrokenPipeError:  # who read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_PIPE_CLOSED)
    except OSError as error:
        advice = remedy(error)
        if advice is None:
            raise
        _refuse(f"{error.filename or 'output'}: {error.strerror}; {advice}")
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse(message: str) -> None:
    Screen(stderr=True).say(f"bench: {message}")
    sys.exit(2)


def _refuse_usage(error: TyperException) -> None:
    """A mistake on the command line; without a message the help was shown already."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if not message:
        sys.exit(error.exit_code)
    _refuse(f"{message.rstrip('.')}; see {context.command_path} --help" if context else message)


def path(text: str) -> Path:
    """A path of the command line; one that no file can have is refused together with its option."""
    if not (text and is_possible(Path(text))):
        raise typer.BadParameter("no file can have such a name" if text else "empty, where a path is needed")
    return Path(text)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tpme-bench {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


@app.command()
def run(
    study: Annotated[
        str | None, typer.Argument(help="A study file (.toml) or a shipped study; none: the demo.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods, comma-separated, or 'all'; with settings: lora:r=16,lr=4e-4.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="bazaar[:items=…,users=…], a dataset folder, iisan-release:DIR.")
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
    from .running.session import Request, run_study
    from .study.study import read_study
    from .study.variants import split_methods

    overrides: dict[str, Any] = {
        "methods": methods,
        "datasets": dataset,
        "backbones": backbones,
        "text_backbone": text_backbone,
        "image_backbone": image_backbone,
        "weights": weights,
        "modalities": modalities,
        "seeds": seeds,
        "repeats": repeats,
        "training.epochs": epochs,
        "device": device,
    }
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


@app.command()
def report(
    directories: Annotated[
        list[Path], typer.Argument(parser=path, help="Directories of studies, as --out named them.")
    ],
    formats: Annotated[str, typer.Option("--format", help="md, html, tex, csv, parquet, comma-separated.")] = "md,html",
    weights: Annotated[
        str | None, typer.Option(help="TPME's weights of time, parameters, memory: 0.45,0.10,0.45.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="paper, memory-bound, time-bound or storage-bound.")] = None,
    reference: Annotated[str, typer.Option(help="The method that ratios and tests refer to.")] = "fft",
    out: Annotated[Path | None, typer.Option(parser=path, help="Where to write; default the first directory.")] = None,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Count epochs for T that lost more than 20 % to other work.")
    ] = False,
) -> None:
    """Write the report of one or several studies from their records."""
    from ..reports.analysis import tpme
    from ..reports.report import ReportOptions, write_report

    if weights is not None and preset is not None:
        raise BenchError("--weights and --preset: give one of the two")
    chosen = tpme.preset("paper" if preset is None else preset) if weights is None else tpme.parse_weights(weights)
    names = tuple(part.strip() for part in formats.split(","))
    options = ReportOptions(formats=names, weights=chosen, reference=reference, output=out, disturbed=disturbed)
    screen = Screen()
    for path in write_report(directories, options, screen.say):
        if path.name.startswith("report."):
            screen.say(path)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(parser=path, help="A study's directory.")],
    second: Annotated[Path, typer.Argument(parser=path, help="Another study's directory.")],
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    fail_on: Annotated[
        Literal["worse"] | None, typer.Option(help="Status 1 when a number got worse, or a cell failed or is gone.")
    ] = None,
) -> None:
    """Compare two studies cell by cell: what changed, and whether it is more than noise."""
    from .guard.compare import run_compare

    outcome = run_compare(first, second, fail_on)
    _print_outcome(outcome, "markdown" if markdown else form)
    sys.exit(1 if outcome.failed else 0)


@app.command()
def check(
    directory: Annotated[
        Path, typer.Argument(parser=path, help="A study's directory, or a JSON file of pytest-benchmark.")
    ],
    baseline: Annotated[Path, typer.Option(parser=path, help="The baseline file.")],
    update: Annotated[
        bool, typer.Option("--update", help="Make this run the baseline; other machines' times stay in it.")
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Judge by epochs that lost time to other work as well.")
    ] = False,
) -> None:
    """Check a run against a baseline: status 1, with a table of what got worse and by how much."""
    from .guard.check import CheckOptions, run_check

    status, outcome = run_check(directory, baseline, CheckOptions(update, disturbed))
    _print_outcome(outcome, "markdown" if markdown else form)
    sys.exit(status)


def _print_outcome(outcome: "Outcome", form: Form) -> None:
    """Prints it; in a workflow of GitHub's the job's summary and annotations as well."""
    from .github import add_to_summary, in_workflow

    screen = Screen()
    if form == "table":
        # Where nobody looks, as in a job's log, a table need not be squeezed into the width of a terminal.
        if not screen.is_terminal and "COLUMNS" not in os.environ:
            screen.width = _LOG_WIDTH
        if outcome.rows:
            screen.print(outcome.table())
        else:
            screen.say(outcome.title)
        for note in outcome.notes:
            screen.say(note)
    else:
        screen.file.write(outcome.render(form) + "\n")
    if in_workflow():
        sys.stdout.flush()
        sys.stderr.writelines(f"{line}\n" for line in outcome.annotations())
    add_to_summary(outcome.markdown())


@app.command(name="list")
def list_(
    kind: Annotated[Literal["methods", "datasets", "backbones"], typer.Argument(help="What to list.")],
) -> None:
    """List the methods, datasets or backbones that can be named."""
    from .commands import list as listing

    Screen().print(listing.tables[kind]())


cache_app = typer.Typer(no_args_is_help=True, help="The feature caches and image stores on this machine.")
app.add_typer(cache_app, name="cache")


@cache_app.command(name="list")
def cache_list() -> None:
    """List the entries with sizes, ages and what each belongs to."""
    from .commands.cache import listing

    Screen().print(listing())


@cache_app.command(name="verify")
def cache_verify() -> None:
    """Check every feature cache against its checksums; status 1 when one has changed."""
    from .commands.cache import verify

    faults, screen = verify(), Screen()
    for fault in faults:
        screen.say(fault)
    screen.say("all entries are as they were written" if not faults else f"{len(faults)} damaged files")
    sys.exit(1 if faults else 0)


@cache_app.command(name="clear")
def cache_clear(
    names: Annotated[list[str] | None, typer.Argument(help="Beginnings of entries' names; none: all entries.")] = None,
) -> None:
    """Remove entries; they are built again when needed."""
    from .commands.cache import clear

    screen, done = Screen(), clear(names or [])
    for word, chosen in (("removed", done.removed), ("left, as it is being built:", done.busy)):
        for entry in chosen:
            screen.say(f"{word} {entry.kind} {entry.folder.name[:16]}: {entry.description}")
