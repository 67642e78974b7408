"""The command `bench`. Options are read here; the work is done elsewhere, imported when it is needed."""

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..errors import BenchError
from ..files import remedy
from .commands import cache, data, new, show
from .commands.arguments import examples
from .commands.check import check
from .commands.cite import cite
from .commands.compare import compare
from .commands.export import export
from .commands.list import list_
from .commands.plan import plan
from .commands.recommend import recommend
from .commands.report import report
from .commands.run import run
from .commands.tune import tune
from .console import Screen, forgive_encodings

_PIPE_CLOSED = 141  # as a shell reports it

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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


_EXAMPLES = {
    run: (
        "bench run",
        "bench run main --seeds 3",
        "bench run --dataset shop --methods fft,lora:r=16,iisan-cached --backbones bert-base+vit-base",
    ),
    plan: (
        "bench plan --backbones bert-base+vit-base --batch 32 --users 12000 --items 33000 --length 8",
        "bench plan main --methods fft,lora,iisan-cached",
        "bench plan --calibrate",
    ),
    tune: ("bench tune --dataset shop --methods fft,lora --points 8 --seeds 5",),
    report: ("bench report runs/demo", "bench report runs/shop runs/shop-costs --format md,html,tex"),
    compare: ("bench compare runs/before runs/after --fail-on worse",),
    check: ("bench check runs/ci --baseline baseline.json",),
    export: ("bench export 7dc3df27 models/lora-shop",),
    recommend: ("bench recommend models/lora-shop --history b3,b1,b4",),
    cite: ("bench cite", "bench cite runs/demo > demo.bib"),
}
for command, lines in _EXAMPLES.items():
    app.command(epilog=examples(*lines))(command)
app.command(name="list", epilog=examples("bench list methods", "bench list studies"))(list_)
app.add_typer(data.app, name="data")
app.add_typer(cache.app, name="cache")
app.add_typer(show.app, name="show")
app.add_typer(new.app, name="new")
