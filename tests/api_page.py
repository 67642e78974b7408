"""`docs/api.md`: what scripts and authors import, with signatures and docstrings.

    python tests/api_page.py     # writes it anew: read its difference before you commit it

`unit/test_docs.py` holds the page to the code.
"""

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
_HEAD = """\
# API

Written from the code's own docstrings. [Python](python.md) shows it at work, [Your method](method.md) how a method
starts.
"""
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "`import tpmebench as tb`": {
        "tpmebench": ("run", "load", "Results", "load_dataset", "load_records", "tpme", "CostWeights", "BenchError")
    },
    "For a method's author": {
        "tpmebench.methods": ("Method", "LearningRates", "Options", "TowerMethod", "TowerRates", "register"),
        "tpmebench.testing": ("check_method",),
    },
    "For a source's, task's or tracker's author": {
        "tpmebench.datasets.sources.source": ("Source",),
        "tpmebench.bench.tasks.task": ("Task",),
        "tpmebench.bench.running.trackers": ("Tracker",),
    },
}


def page() -> str:
    """The page as the code is now."""
    lines = [_HEAD]
    for title, modules in _PARTS.items():
        lines.append(f"## {title}\n")
        for module, names in modules.items():
            for name in names:
                lines += _entry(
                    f"{'tb' if module == 'tpmebench' else module}.{name}", getattr(import_module(module), name)
                )
    return "\n".join(lines)


def _entry(name: str, found: Any) -> Iterator[str]:
    yield f"### {name.rpartition('.')[2]}\n"
    yield f"```text\n{_signature(name, found)}\n```\n"
    yield f"{_said(found)}\n"
    if inspect.isclass(found):
        for key, member in vars(found).items():
            inner = (
                getattr(member, "func", None) or getattr(member, "fget", None) or getattr(member, "__func__", member)
            )
            if key.startswith("_") or not inspect.isfunction(inner) or not inspect.getdoc(inner):
                continue
            is_value = isinstance(member, property | cached_property)
            yield f"- `{key if is_value else _signature(key, inner, inside=True)}`: {_indented(_said(inner))}"
        yield ""


def _signature(name: str, found: Any, *, inside: bool = False) -> str:
    """As it is called, without types, which the docstring says in words."""
    signature = inspect.signature(found)
    kept = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    kept = kept[1:] if inside and kept and kept[0].name in {"self", "cls"} else kept
    written = f"{name}{signature.replace(parameters=kept, return_annotation=inspect.Signature.empty)}"
    return re.sub(r"<(?:function|class) '?([\w.]+)'?(?: at 0x\w+)?>", r"\1", written)


def _said(found: Any) -> str:
    return re.sub(r"\n(?!\n)(?<!\n\n)", " ", inspect.getdoc(found) or "").replace("\n ", "\n").strip()


def _indented(text: str) -> str:
    return text.replace("\n\n", "\n\n  ")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
