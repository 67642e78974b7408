"""What becomes of dirt: items that nothing is known of, items with two titles, markup in texts."""

from typing import Literal

from pydantic import ConfigDict

from .source import Options


class Policies(Options):
    """One choice a kind of dirt; the defaults refuse it, or leave it as it is. Every choice counts what it met."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    missing_items: Literal["error", "drop", "keep"] = "error"
    """Interactions with an item that is in no items table: an error, dropped, or kept, the item then without text."""
    titles: Literal["error", "first", "last"] = "error"
    """Which row counts where an item has several that differ."""
    text: Literal["as-is", "clean"] = "as-is"
    """Texts as they stand, or without HTML entities and tags, control characters and needless spaces."""
