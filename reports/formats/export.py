"""A report as data: everything that it shows, a row a number with the text as shown; and its records, a row a cell."""

import io
from datetime import datetime

import pandas as pd

from ...text import visible
from ..pages import Page
from ..tables.table import Table

FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What makes a spreadsheet compute a cell, also as the wide signs of East Asian type."""


def long_frame(pages: list[Page]) -> pd.DataFrame:
    """Columns comparison, table, row, column, value (raw, NaN for text), deviation, text."""
    parts = [flat(table).assign(comparison=page.comparison.title) for page in pages for table in page.tables()]
    frame = pd.concat(parts, ignore_index=True)
    return frame[["comparison", "table", "row", "column", "value", "deviation", "text"]]


def flat(table: Table) -> pd.DataFrame:
    """A table's cells, row by row."""
    parts = []
    for column in table.columns:
        raw = table.frame[column.key]
        numbers = pd.Series(float("nan"), raw.index) if column.kind == "text" else pd.to_numeric(raw).astype(float)
        spread = table.frame.get(f"{column.key} sd", pd.Series(float("nan"), raw.index))
        parts.append(
            pd.DataFrame(
                {
                    "place": range(len(raw)),
                    "row": [str(label) for label in raw.index],
                    "column": column.key,
                    "value": numbers.to_numpy(),
                    "deviation": spread.to_numpy(float),
                    "text": table.texts[table.heading(column)].to_numpy(),
                }
            )
        )
    return pd.concat(parts).sort_values("place", kind="stable").assign(table=table.name)


EXPORTS = ("csv", "parquet")


def exported(kind: str, pages: list[Page], records: pd.DataFrame) -> dict[str, str | bytes]:
    """Both frames as files by name: what the pages show as `report`, and `records`."""
    write = csv if kind == "csv" else parquet
    return {f"report.{kind}": write(long_frame(pages)), f"records.{kind}": write(records)}


def csv(frame: pd.DataFrame) -> str:
    """The frame as CSV, a line a row. A text that a spreadsheet would take for a formula begins with an apostrophe.

    What is missing is an empty field, a moment ISO 8601.
    """
    moments = frame.select_dtypes("datetimetz").columns
    texts = frame.select_dtypes(exclude=["number", "bool", "datetimetz"]).columns
    shown = {name: frame[name].map(datetime.isoformat, na_action="ignore") for name in moments}
    shown |= {name: frame[name].map(cell, na_action="ignore") for name in texts}
    return frame.assign(**shown).to_csv(index=False)


def cell(text: object) -> str:
    """One cell's text, without control characters and never a formula."""
    line = visible(text)
    return f"'{line}" if line.lstrip().startswith(FORMULAS) and not number(line) else line


def number(text: str) -> bool:
    """Whether a text is a plain number, of whatever sign."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def parquet(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
