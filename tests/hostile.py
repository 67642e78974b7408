"""Text that means something to whatever shows it, in every string of a record, and how to tell that it does nothing."""

import re
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tpmebench.reports.records import Record
from tpmebench.text import visible

STARTS = (
    *(
        "# Heading ",
        "=1+1 ",
        "::error file=x::forged ",
        "- item ",
        "_hidden ",
        "1. one ",
        "[2pt] ",
        "*star ",
        "@SUM(1) ",
    ),
    *(
        "-2+3 ",
        "> said ",
        "--- ",
        "$\\foo$ ",
        "javascript:alert(1) ",
        "__proto__ ",
        "<!-- ",
        "</title></style> ",
        "{{7*7}} ",
    ),
)
BODY = (
    "\x1b]0;title\x07\x1b[31m[bold]b[/b][/red] :smile: \r\n::error file=x::forged\r# Heading\n\n"
    "![p](http://127.0.0.1/p.png) "
    "](http://127.0.0.1/a) [a](http://127.0.0.1/l)[r]: http://127.0.0.1 <http://127.0.0.1/u> https://127.0.0.1 "
    "<img src=http://127.0.0.1/i.png onerror=window.broken=1> <script>window.broken=2</script></script>"
    "<svg/onload=window.broken=3>\" onmouseover=\"window.broken=4' onfocus='window.broken=5 </td></table></details> "
    "`code` ``` ~~~ **b** _e_ | $\\frac$ $x$ 50% \\input{/etc/passwd} ^^5cinput \\write18{id} {curly} & &amp; ## "
    "\u202egnp.exe\u2028\u0085 商店 é \U0001f600 ##[error]old --> {% raw %} ${7*7} '; =2+2 " + "long" * 20
)
LOG_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def hostile(record: Record, first: int = 0) -> Record:
    """The record with such text in every field and mapping that takes it, each beginning otherwise.

    `first` is where the round of beginnings begins. The cell's id, which names its files, stays.
    """
    values = record.model_dump(mode="json")
    starts = cycle([*STARTS[first:], *STARTS[:first]])
    for path in list(strings(values)):
        if path == ("cell_id",):
            continue
        changed = Record.model_validate(values).model_dump(mode="json")
        put(changed, path, f"{next(starts)}{BODY}")
        try:
            Record.model_validate(changed)
        except ValidationError:
            continue  # one of few words, or a date
        values = changed
    for mapping in ((values, "dataset"), (values["cell"], "options"), (values["environment"], "versions")):
        mapping[0][mapping[1]] |= {f"{next(starts)}{BODY}": f"{next(starts)}{BODY}"}
    for mapping in ((values["memory"] or {}, "kinds"), (values["parameters"] or {}, "parts"), (values, "rates")):
        found = mapping[0].get(mapping[1]) or {}
        mapping[0][mapping[1]] = {f"{next(starts)}{key}{BODY}": value for key, value in found.items()}
    values["environment"]["warnings"] = [f"{next(starts)}{BODY}"]
    return Record.model_validate({name: value for name, value in values.items() if value is not None})


def hostile_study(directory: Path, make_record: Callable[..., Record]) -> str:
    """Saves the records of three methods of hostile names and of a failure; returns the first method's name."""
    sound = [make_record(method) for method in ("fft", "iisan-cached", "popularity")]
    records = [hostile(record) for record in sound]
    for number, record in enumerate(records):
        record.cell.method = f"{STARTS[3 * number]}{sound[number].cell.method} {BODY}"
        record.family = sound[number].family
    failed = make_record("lora", status="crashed").model_copy(
        update={"cell": records[0].cell, "error": STARTS[5] + BODY}
    )
    for record in [*records, failed]:
        record.save(directory)
    return records[0].cell.method


def strings(values: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the strings stand."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in pairs:
        if isinstance(value, str):
            yield (*above, key)
        else:
            yield from strings(value, (*above, key))


def put(values: Any, path: tuple[Any, ...], value: str) -> None:
    """Replaces what stands at a path."""
    for key in path[:-1]:
        values = values[key]
    values[path[-1]] = value


def printable(shown: str) -> bool:
    """Whether there is no control character in it but line ends."""
    return all(line == visible(line) for line in shown.split("\n"))


def harmless(shown: str) -> bool:
    """Whether nothing in it moves a cursor or commands a workflow."""
    return printable(shown) and not LOG_COMMAND.search(shown)
