"""`bench run --from`: cells run again as their records say, and are held against them.

Only what a record names without a path, or the command line names, is loaded: a published record may be anybody's, so
code from outside is imported when --methods or --dataset names it, and never because a record does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import __version__
from ...cell import BackboneChoice, Cell
from ...datasets.sources.registry import open_source, outside_code
from ...errors import BenchError, quoted
from ...methods.backbones.source import BackboneSource
from ...methods.features.misfit import misfit
from ...methods.method import Method
from ...methods.references.ranker import Ranker
from ...methods.registry import make_method
from ...outside import canonical_name, is_outside
from ...reports.reading import load_records, read_record
from ...reports.records import Record
from ..console import Screen
from ..guard.findings import Outcome
from ..guard.repetition import judge
from ..meters.environment import usable_cores
from ..saved.rebuilt import Instead
from ..study.grid import Planned, distinct, look_again, reads_towers, resolve_device, unfit
from ..study.study import Study
from ..study.variants import Variant, split_methods
from ..tasks.registry import find_task
from ..worker.places import Places
from .request import Request
from .session import run_cells


@dataclass(frozen=True)
class Again:
    """What to run again: `source` is a record's file, or the folder of a study or of a published report.

    `methods` and `seeds` choose among its cells; `instead`, `device`: where data and towers stand now, and on what to
    run. `directory`: where the new records go, by default runs/NAME-again.
    """

    source: Path
    directory: Path | None = None
    methods: str | None = None
    seeds: int | None = None
    device: str | None = None
    instead: Instead = field(default_factory=Instead)
    dry_run: bool = False
    strict: bool = False


def run_again(asked: Again, show: Callable[[Outcome], None]) -> int:
    """Runs cells again, shows whether they came out the same, and gives the exit status.

    0 when whatever must repeat is equal, or what differs between the runs may be why it is not; 1 when it is not though
    nothing differs that may decide it, when a cell ended well before and does not now, and under `strict` whenever
    anything is not equal; 130 after Ctrl-C.
    """
    variants = [Variant.read(text) for text in split_methods(asked.methods or "")]
    home, records = _records(asked, variants)
    directory = asked.directory or Path("runs") / f"{records[0].study}-again"
    if directory.resolve() == home.resolve():
        raise BenchError(f"--out {directory}: is where the records stand that are repeated; name another directory")
    planned = [_planned(record, asked, variants) for record in records]
    cells = look_again(distinct(planned), directory)
    study = _study(records[0], cells)
    request = Request(directory, asked.dry_run, report=False)
    status = run_cells(Screen(), study, request, cells, lambda _: look_again(cells, directory))
    if asked.dry_run or status:
        return status
    now = {each.cell.id: each.record for each in look_again(cells, directory)}
    found = [(record, now[each.cell.id]) for record, each in zip(records, planned, strict=True)]
    outcome = judge([(_completed(before, here), here) for before, here in found if here], home, directory, asked.strict)
    show(outcome)
    return 1 if outcome.failed else 0


def _completed(before: Record, now: Record) -> Record:
    """A record with the options that its method has got since, at their defaults, as the new one has them."""
    options = {**now.cell.options, **before.cell.options}
    return before.model_copy(update={"cell": before.cell.model_copy(update={"options": options})})


def _records(asked: Again, variants: Sequence[Variant]) -> tuple[Path, list[Record]]:
    """The directory in which the chosen records stand, and these. BenchError when there are none."""
    if asked.source.is_file():
        home, records = asked.source.resolve().parent.parent, [read_record(asked.source)]
    else:
        home, records = asked.source, load_records(asked.source)
    for variant in variants:
        if not any(_is_of(variant, record) for record in records):
            known = ", ".join(dict.fromkeys(record.cell.method for record in records))
            raise BenchError(
                f"--methods: {asked.source} has no cell of {quoted(variant.canonical_name)}: there are {known}"
            )
    chosen = [record for record in records if not variants or any(_is_of(each, record) for each in variants)]
    chosen = [record for record in chosen if asked.seeds is None or record.cell.seed < asked.seeds]
    if not chosen:
        raise BenchError(f"--seeds {asked.seeds}: {asked.source} has no cell of such a seed: they begin at 0")
    return home, chosen


def _is_of(variant: Variant, record: Record) -> bool:
    """Whether a record is of a method, with the settings that are given with it."""
    return record.cell.method == variant.canonical_name and (not variant.settings or variant.covers(record.cell))


def _planned(record: Record, asked: Again, variants: Sequence[Variant]) -> Planned:
    """A record's cell as it runs today: new options at their defaults, data and towers as they are now."""
    cell = record.cell
    places = asked.instead.of(Places.of(cell))
    named = next((each.name for each in variants if each.canonical_name == cell.method), places.method)
    places = places.model_copy(update={"method": named})
    _check_code(record, places, named in [each.name for each in variants], asked)
    method, task = make_method(places.method, cell.options), find_task(places.task)
    towers = _towers(cell, places)
    changes: dict[str, Any] = {
        "options": method.chosen.model_dump(mode="json"),
        "dataset_fingerprint": _data(cell, places),
        "backbones": _with_fingerprint(cell.backbones, towers),
        "device": _device(cell, asked.device, method),
        "threads": cell.threads or min(record.environment.threads, usable_cores()),
        "version": __version__,
    }
    reasons = [
        reason for each in towers if (reason := unfit(each, cell.backbones.text_length, cell.backbones.image_side))
    ]
    now = cell.model_copy(update=changes)
    if not reads_towers(type(method)):
        reasons = []
    return Planned(now, type(method), task, places, unfit="; ".join(reasons) or misfit(method, towers))


def _check_code(record: Record, places: Places, method_named: bool, asked: Again) -> None:
    """BenchError where running would import code because a record, which may be anybody's, names it."""
    named = {} if method_named else {"--methods": places.method}
    named |= {} if asked.instead.dataset else {"--dataset": _outside_code(places.dataset)}
    for option, name in named.items():
        if name and is_outside(name):
            raise BenchError(
                f"cell {record.cell_id}: {quoted(canonical_name(name))} is code from outside, which a record cannot "
                f"have run; name it with {option}"
            )
    if is_outside(places.task):
        raise BenchError(
            f"cell {record.cell_id}: its task {quoted(places.task)} is code from outside, which a record cannot have "
            "run; run its study again, and hold the two against each other with bench compare"
        )


def _outside_code(dataset: str) -> str:
    """The class that naming a dataset imports; "" where there is none, or no such dataset, which `_data` tells."""
    try:
        return outside_code(dataset)
    except BenchError:
        return ""


def _data(cell: Cell, places: Places) -> str:
    """The fingerprint of a cell's data as they are now."""
    try:
        return open_source(places.dataset).fingerprint()
    except BenchError as error:
        raise BenchError(
            f"{error} (the cell's data are called {quoted(cell.dataset)}; --dataset says where they are)"
        ) from error


def _device(cell: Cell, asked: str | None, method: Method[Any] | Ranker) -> str:
    """That of the record, or the one asked for; BenchError for one that is not here."""
    if method.kind == "ranker" and not reads_towers(type(method)):
        return "cpu"
    return resolve_device(asked or cell.device.partition(":")[0])


def _towers(cell: Cell, places: Places) -> list[BackboneSource]:
    return [BackboneSource(name, place, cell.backbones.weights) for name, place in places.towers.items()]


def _with_fingerprint(choice: BackboneChoice, towers: list[BackboneSource]) -> BackboneChoice:
    try:
        return choice.model_copy(update={"fingerprint": "+".join(each.fingerprint()[:16] for each in towers)})
    except BenchError as error:
        raise BenchError(f"{error} (--text-backbone and --image-backbone say where towers stand)") from error


def _study(record: Record, cells: Sequence[Planned]) -> Study:
    """What of a study is not its cells': how their data are told of, when the test users are judged."""
    cell = record.cell
    places = [each.places for each in cells]
    return Study(
        name=record.study,
        task=cell.task,
        methods=list(dict.fromkeys(each.method for each in places)),
        datasets=list(dict.fromkeys(each.dataset for each in places)),
        modalities=cell.modalities,
        missing_images=cell.missing_images,
        weights=cell.backbones.weights,
        training=cell.training,
        head=cell.head,
        evaluation=cell.evaluation,
        costs=cell.costs,
        test_every_epoch=any(epoch.test for epoch in record.time.epochs),
    )
