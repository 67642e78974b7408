"""Whether forecasts are what cells are measured to cost, for every registered method.

python tests/soak/planned.py [METHODS] [TEXT+IMAGE] [DATASET] [BATCH]   # micro on two cores: some twenty minutes

Ends with status 1 when a figure is off; a method without a forecast is named with the reason.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from planned import assembled, differences, planned

from tpmebench.bench.planning.fake import Stock
from tpmebench.bench.planning.forecast import NoForecast
from tpmebench.bench.worker.places import Places
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.methods.backbones.names import parse_pair
from tpmebench.methods.registry import methods
from tpmebench.naming import short_name


def main(names: str = "all", pair: str = "micro", dataset: str = "bazaar:items=120,users=60", batch: str = "16") -> int:
    """A line a method; 1 when one is off."""
    every = [name for name, method in methods().items() if method.kind == "method"]
    stock, (text, image), off = Stock(), parse_pair(pair), False
    for name in every if names == "all" else names.split(","):
        chosen = BackboneChoice(text=short_name(text), image=short_name(image))
        cell = Cell(method=name, dataset=dataset, backbones=chosen, training=Training(batch=int(batch)))
        places = Places(dataset=dataset, text=text, image=image, method=name, task=cell.task)
        found = planned(stock, cell, places)
        if isinstance(found, NoForecast):
            print(f"{name}: no forecast: {found.reason}", flush=True)
            continue
        lines = list(differences(found, assembled(cell, places)))
        off |= bool(lines)
        print(f"{name}: {'; '.join(lines) or 'as measured'}", flush=True)
    return int(off)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TPMEBENCH_CACHE"] = scratch
        raise SystemExit(main(*sys.argv[1:]))
