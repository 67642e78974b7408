"""A study, or another schema's values, as a TOML file that says of each key what it means."""

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

import tomlkit  # pyright: ignore[reportMissingImports] - of the type's environment, where it may be older than this
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WIDTH = 110
_UNSAID = "…"
"""Stands for the value of a key that has none unless it is given."""


def commented(model: BaseModel, head: str = "") -> str:
    """A TOML file from which the schema reads the same values, `head` in its first lines.

    Each key stands under what it means. One that was not given is a comment with its default: taking the sign away
    gives it.
    """
    keys, tables = list[str](), list[str]()
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            tables.append(_section(name, field, value))
        elif isinstance(value, dict):
            tables.append(_table(name, field, model))
        else:
            keys.append(_key(name, field, model))
    blocks = ["\n".join(f"# {line}".rstrip() for line in head.splitlines())] if head else []
    return _printable("\n\n".join([*blocks, *keys, *tables]) + "\n")


def _section(name: str, field: FieldInfo, section: BaseModel) -> str:
    """A table of keys that the schema knows."""
    inner = [_key(key, each, section) for key, each in type(section).model_fields.items()]
    return "\n".join([*_said(field), f"[{name}]", *inner])


def _table(name: str, field: FieldInfo, model: BaseModel) -> str:
    """A table by names that are the user's."""
    value = model.model_dump(mode="json", exclude_unset=True).get(name)
    if not value:
        return "\n".join([*_said(field), f"# [{name}]"])
    return "\n".join([*_said(field), tomlkit.dumps({name: value}).strip()])


def _key(name: str, field: FieldInfo, model: BaseModel) -> str:
    value = model.model_dump(mode="json", include={name})[name]
    written = f"{name} = {_UNSAID if value is None else _value(value)}"
    if value is None or name not in model.model_fields_set:
        written = "\n".join(f"# {line}" for line in written.splitlines())
    return "\n".join([*_said(field), written])


def _value(value: Any) -> str:
    item = tomlkit.item(value)
    if isinstance(value, list) and len(item.as_string()) > _WIDTH - 20:
        item.multiline(True)
    return item.as_string()


def _said(field: FieldInfo) -> Iterator[str]:
    for line in wrap(field.description or "", _WIDTH - 2):
        yield f"# {line}"


def _printable(text: str) -> str:
    """Without signs that command a terminal: in a string an escape stands for the same."""
    signs = (sign if sign.isprintable() or sign == "\n" else f"\\U{ord(sign):08x}" for sign in text)
    return "".join(signs)
