"""What each side runs: cells, as it is told line by line, of the `tpmebench` that stands first on its path.

Run as a script, by both sides the same, so it uses nothing but what every version of the suite offers: `tpmebench.run`.
Each cell is a process of its own, as in any run. A line on standard input is {"turns": address or null, "run":
arguments}; one on standard output answers it, and a first one says which suite it is.
"""

import json
import os
import sys
from importlib import import_module
from typing import Any

tpmebench: Any = import_module("tpmebench")  # the side's, which this file need not be a part of
TURNS = "TPMEBENCH_TURNS"


def main() -> None:
    """Answers until its standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed goes to the log

    def answer(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer(suite=tpmebench.__file__, costs=_knows_costs())
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.pop(TURNS, None)
        if asked["turns"]:
            os.environ[TURNS] = asked["turns"]
        try:
            tpmebench.run(**asked["run"])
            answer()
        except tpmebench.BenchError as error:
            answer(error=str(error))


def _knows_costs() -> bool:
    """Whether this version can measure costs alone, and be told to from a script."""
    return hasattr(tpmebench, "run") and "costs" in getattr(tpmebench.Study, "model_fields", {})


if __name__ == "__main__":
    main()
