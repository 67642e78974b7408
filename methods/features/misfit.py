"""Which methods cannot read towers that have no model to run: told by what they read, before anything is loaded."""

from collections.abc import Iterable
from typing import Any

from ...errors import BenchError
from ..backbones.numbered import NUMBERED
from ..backbones.pair import Backbones
from ..backbones.source import BackboneSource
from ..inputs import States
from ..method import Method
from ..references.ranker import Ranker


def misfit(method: Method[Any] | Ranker, sources: Iterable[BackboneSource]) -> str:
    """Why a method cannot read some of the towers, "" where nothing is known against it."""
    without = {source.modality: source for source in sources if not source.is_model}
    if not without:
        return ""
    try:
        reads = method.reads(Backbones.of(without, items=1))
    except BenchError as error:
        return str(error)
    except Exception:  # a method from outside: its cell shows it
        return ""
    for modality, source in without.items():
        how = reads.get(modality)
        if how is not None and (not isinstance(how, States) or how.whole):
            does = "reads all positions of" if isinstance(how, States) else "runs"
            return f"method '{method.name}' {does} the {modality} tower: {NUMBERED[source.name].refusal}"
    return ""
