"""What a method costs once it is trained, beside what training it costs."""

from dataclasses import replace

import pandas as pd

from ..analysis.comparison import Comparison, shared
from ..analysis.epochs import MARKED, SIGN
from ..quantities import NONE
from .anatomy import tidy
from .table import Column, Table

COLUMNS = (
    Column("encoding", "catalogue", "seconds", "less"),
    Column("encoding_with_cache", "catalogue incl. cache", "seconds", "less"),
    Column("item_operations", "a new item", "operations", "less"),
    Column("ranking", "a user", "moment", "less"),
    Column("user_operations", "a user", "operations"),
    Column("saved_bytes", "trained part", "bytes", "less"),
    Column("known_bytes", "for known items", "bytes", "less"),
    Column("new_bytes", "for new items", "bytes", "less"),
)


def use_table(comparison: Comparison) -> Table | None:
    """Encoding the catalogue, ranking it for a user, bytes to ship; None where none of that was measured."""
    methods = comparison.methods
    if methods["known_bytes"].isna().all():
        return None
    frame = methods[methods["parameters"].notna()]
    marks = frame["use_marked"].gt(0).map({True: SIGN, False: ""})
    frame = frame.assign(**{f"{key} sign": marks for key in ("encoding", "encoding_with_cache", "ranking")})
    if frame["cache_build"].notna().any():
        frame["encoding_with_cache"] = frame["encoding"] + frame["cache_build"].fillna(0.0)
    return _noted(comparison, tidy("use", "Once trained", frame, COLUMNS), marks)


def _noted(comparison: Comparison, table: Table | None, marks: pd.Series) -> Table | None:
    if table is None:
        return None
    sizes = shared(comparison, lambda record: record.use.items if record.use else None)
    items = " or ".join(f"{size:,}" for size in sizes if size is not None)
    cached = any(column.key == "encoding_with_cache" for column in table.columns)
    notes = [
        f"Catalogue: encoding all {items} items, in batches, as after each epoch."
        + (" Incl. cache: with building the cache that a method reads." if cached else ""),
        "A user: ranking the whole catalogue, in batches of users. Operations of a new item: of its towers and all "
        "that stands in or above them, unmerged; the mean of four items from the shortest text to the longest.",
        "Trained part: what is saved beside the towers. For known items: their embeddings in float32, and the head. "
        "For new ones, too: towers, trained part and head, with what peft can merge merged into the towers.",
        f"{NONE}: new items cannot be embedded, or the feature cache is of a version that did not measure its towers.",
    ]
    if marks.ne("").any():
        notes.append(f"{SIGN}: encoding and ranking lost more than {MARKED:.0%} to waiting for a core.")
    without = table.frame["known_bytes"].isna()
    if without.any():
        names = ", ".join(map(str, table.frame.index[without]))
        notes.append(f"Not measured by the version of the suite that ran it: {names}.")
    return replace(table, notes=tuple(notes))


def unmeasured(comparison: Comparison) -> str | None:
    """The sentence in place of the table, where no record knows what it would say."""
    methods = comparison.methods
    if methods["parameters"].isna().all() or methods["known_bytes"].notna().any():
        return None
    return "What the methods cost once trained was not measured: their records are of an older version of the suite."
