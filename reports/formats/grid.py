"""The terminal's table: whatever stands in it is plain text, never markup and never a control character."""

from typing import Any

from rich.table import Column, Table
from rich.text import Text

from ...text import visible


def plain(value: str | Text, style: str = "") -> Text:
    """Text that shows as it stands; what is `Text` already was made here."""
    return value if isinstance(value, Text) else Text(visible(value), style=style)


class Grid(Table):
    """A rich table of plain text. `options` are those of `rich.table.Table`."""

    def __init__(self, *headings: str, title: str = "", caption: str = "", fold: bool = False, **options: Any) -> None:
        """`fold` wraps what is too long for a column: a shortened name could not be copied."""
        columns = [Column(plain(heading), overflow="fold" if fold else "ellipsis") for heading in headings]
        super().__init__(
            *columns, title=plain(title) if title else None, caption=plain(caption) if caption else None, **options
        )

    def add_column(self, header: Any = "", *args: Any, **options: Any) -> None:
        """A column with a plain heading."""
        super().add_column(plain(header), *args, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """A row of texts."""
        super().add_row(*map(plain, cells), **options)
