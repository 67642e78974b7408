"""What must be equal for cells to stand in one comparison: dataset, towers, protocol, machine and meter, in words."""

from typing import Any

from ...cell import SECTIONS, SEQUENTIAL
from ...metrics import METRICS, PRIMARY
from ...naming import short_name
from ..records import Record
from .cells import origin
from .rows import LOOSE

EQUAL_MEMORY = "equal memory"
"""The condition of cells that each took the largest batch for one memory. Those of equal batches have none."""
PLANNED = "planned, not run"
"""The condition of cells whose costs were computed; those of a run have none."""
OF_THE_DEVICE = {"device", "memory meter", "CPU", "cores", "threads", "GPU"}
"""Conditions of a comparison that say on what its cells ran."""


def conditions(record: Record) -> dict[str, str]:
    """What must be equal in a comparison, but for the machine, in words."""
    cell = record.cell
    towers = [short_name(name) for name in (cell.backbones.text, cell.backbones.image) if name]
    choice = cell.backbones.model_dump(exclude={"text", "image", "fingerprint"}, exclude_none=True)
    protocol = cell.model_dump(mode="json", include=set(SECTIONS))
    chosen = {name: value for section in SECTIONS for name, value in protocol[section].items() if name not in LOOSE}
    return {
        "dataset": short_name(cell.dataset),
        "dataset fingerprint": cell.dataset_fingerprint[:12],
        "modalities": cell.modalities,
        "missing images": cell.missing_images,
        "backbones": " + ".join(towers),
        "backbones fingerprint": cell.backbones.fingerprint[:12],
        "backbone weights": str(choice.pop("weights")),
        **{name.replace("_", " "): str(value) for name, value in choice.items()},
        **batches(chosen),
        **{name.replace("_", " "): str(value) for name, value in chosen.items()},
        **task(record),
        "deterministic": str(cell.deterministic),
        "device": cell.device,
        "memory meter": origin(record),
        **({PLANNED: "yes"} if record.plan else {}),
    }


def batches(chosen: dict[str, Any]) -> dict[str, str]:
    """Takes from the settings those of the batch, and says what is equal: the batch, or the memory."""
    batch, memory = str(chosen.pop("batch")), chosen.pop("memory")
    return {"batch": batch} if memory is None else {EQUAL_MEMORY: memory, "rates are of batch": batch}


def task(record: Record) -> dict[str, str]:
    """What the cells were asked and are judged by, unless it is what it always was."""
    names = [metric.name for metric in record.metrics]
    known = {"task": record.cell.task, "primary metric": record.primary_metric, "metrics": ", ".join(names)}
    usual = {"task": SEQUENTIAL, "primary metric": PRIMARY, "metrics": ", ".join(METRICS)}
    return {} if known == usual else known


def trains_nothing(record: Record) -> bool:
    """Whether a cell is a ranking without training, which has no costs and is the same on every device."""
    return record.status == "ok" and record.memory is None and not record.time.epochs
