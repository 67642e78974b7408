"""Jinja over the package's templates, where every value is quoted unless the code says that it is markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")


def environment(quote: Callable[[object], str]) -> Environment:
    """Templates that show each value as `quote` writes it; `Markup` alone is left as it is.

    Markdown escapes by rules of its own, so its `quote` returns `Markup`. HTML's returns text, which is then escaped.
    """

    def shown(value: Any) -> Any:
        return value if isinstance(value, Markup) else quote(value)

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
