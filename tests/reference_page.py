"""The tables of keys in `docs/reference.md`, made from the schemas.

    python tests/reference_page.py     # writes them anew: read the difference before you commit it

`unit/test_docs.py` holds the page to the schemas.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from generated import filled, line, table
from pydantic import BaseModel

from tpmebench.bench.study.schema import Study
from tpmebench.datasets.sources.description import Description

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
TABLES: dict[str, type[BaseModel]] = {"study": Study, "dataset": Description}
_HEAD = ["key", "what it may hold", "default", "what it means"]


def page(text: str) -> str:
    """The page with its tables as the schemas are now."""
    for name, schema in TABLES.items():
        text = filled(text, name, table(_HEAD, rows(schema)))
    return text


def rows(schema: type[BaseModel]) -> Iterator[str]:
    """A row a key, those of sections after those at the top."""
    described = schema.model_json_schema()
    yield from _rows(schema, described, described, "")


def _rows(schema: type[BaseModel], part: dict[str, Any], whole: dict[str, Any], above: str) -> Iterator[str]:
    sections = dict[str, type[BaseModel]]()
    for name, field in schema.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            sections[name] = section
            continue
        holds = _holds(part["properties"][name])
        default = "needed" if field.is_required() else _default(field.get_default(call_default_factory=True))
        yield line([f"`{above}{name}`", holds, default, _cell(field.description or "")])
    for name, section in sections.items():
        yield from _rows(section, whole["$defs"][section.__name__], whole, f"{above}{name}.")


def _section(annotation: Any) -> type[BaseModel] | None:
    """The schema of a key that is a table of known keys, perhaps one that may be left out."""
    found = [each for each in (annotation, *getattr(annotation, "__args__", ())) if isinstance(each, type)]
    return next((each for each in found if issubclass(each, BaseModel)), None)


def _default(value: Any) -> str:
    return "–" if value is None or value == {} else f"`{_cell(tomlkit.item(value).as_string())}`"


def _holds(part: dict[str, Any]) -> str:
    """What a key may hold, in words."""
    for choice in ("anyOf", "oneOf"):
        if choice in part:
            words = [_holds(each) for each in part[choice] if each.get("type") != "null"]
            return ", or ".join(dict.fromkeys(words))
    if "enum" in part or "const" in part:
        return ", ".join(f"`{each}`" for each in part.get("enum", [part.get("const")]))
    kind = part.get("type")
    if kind in {"integer", "number"}:
        return {"integer": "a whole number", "number": "a number"}[kind] + _bounds(part)
    if kind == "array":
        return f"a list of {_plural(_holds(part.get('items', {})))}"
    if kind == "object":
        return "a table"
    return {"boolean": "`true`, `false`", "string": "text"}.get(kind or "", "a value")


def _bounds(part: dict[str, Any]) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    above, below = part.get("exclusiveMinimum"), part.get("exclusiveMaximum")
    words = [f"from {least:g}"] if least is not None else []
    words += [f"above {above:g}"] if above is not None else []
    words += [f"to {most:g}" if most < 1e6 else ""] if most is not None else []
    words += [f"below {below:g}"] if below is not None else []
    return " ".join(["", *filter(None, words)])


def _plural(words: str) -> str:
    return {"text": "texts", "a value": "values", "a table": "tables"}.get(words, words)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
