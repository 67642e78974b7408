"""The source `amazon-2023`: Amazon Reviews of 2023 as McAuley-Lab distributes them.

A folder, or the whole repository, with `meta_{C}.jsonl` and one of: the ready split `{C}.train.csv`, `{C}.valid.csv`
and `{C}.test.csv` (`benchmark/5core/last_out`), all reviews `{C}.jsonl`, or ratings alone, `{C}.csv`; each also as .gz.
Where there are several of them the first one counts. Items go by `parent_asin`; times are milliseconds.
"""

import re
from pathlib import Path
from typing import Any, Literal

from .amazon import AmazonOptions, Metadata, Reviews, matching, metadata_of, no_metadata, of_category, stem
from .amazon_2018 import WITHOUT_PICTURES
from .assembly import InteractionRows
from .published import Published
from .registry import register
from .tabular import Contents, Rows, Tabular
from .taken import Taken
from .texts import Template

_PARTS = ("train", "valid", "test")
_SPLIT = re.compile(r"[^.]+\.train\.csv(\.gz)?")
_REVIEWS = re.compile(r"(?!meta_)[^.]+\.jsonl(\.gz)?")
_RATINGS = re.compile(r"[^.]+\.csv(\.gz)?")
_SIZES = ("hi_res", "large", "thumb")


class Amazon2023Options(AmazonOptions):
    """The same, and whether the split that the data come with is taken; an item without metadata is kept for it."""

    missing_items: Literal["error", "drop", "keep"] = "keep"
    split: Literal["ready", "leave-one-out"] = "ready"
    """The split that the data come with, if they do, or the published protocol."""


@register("amazon-2023")
class Amazon2023(Tabular):
    """Amazon Reviews 2023: {C}.jsonl or last_out splits, and meta_{C}.jsonl"""

    options = Amazon2023Options

    def contents(self) -> Contents:
        there = self.there
        category, interactions = self._interactions(there)
        meta = metadata_of(there, category, "jsonl")
        if meta is None:
            raise no_metadata(there, category, "jsonl")
        items = Metadata(meta, "parent_asin", Template.of(self.chosen.template), ("images",), best_link)
        return Contents(interactions, items)

    def _interactions(self, there: Published) -> tuple[str, Rows[InteractionRows]]:
        """What is read, and its category."""
        chosen = self.chosen.category
        if found := matching(there, _SPLIT, "*.csv", "*.csv.gz"):
            first = of_category(there, "splits", found, chosen)
            files = [
                there.one(f"the {part} split", f"{stem(first)}.{part}.csv", f"{stem(first)}.{part}.csv.gz")
                for part in _PARTS
            ]
            return stem(first), _taken(files, (0, 1, 2))
        if found := matching(there, _REVIEWS, "*.jsonl", "*.jsonl.gz"):
            file = of_category(there, "reviews", found, chosen)
            return stem(file), Reviews(file, "user_id", "parent_asin", "timestamp", "rating", "ms")
        found = matching(there, _RATINGS, "*.csv", "*.csv.gz")
        file = (
            of_category(there, "reviews", found, chosen)
            if found
            else there.one("reviews", "{C}.jsonl", "{C}.train.csv")
        )
        return stem(file), _taken([file], None)

    def without_pictures(self) -> str:
        """Metadata have addresses only."""
        return WITHOUT_PICTURES


def _taken(files: list[Path], parts: tuple[int, ...] | None) -> Taken:
    return Taken(files, "user_id", "parent_asin", "timestamp", "rating", parts=parts, unit="ms")


def best_link(value: Any) -> str:
    """Of a list of pictures the main one's largest address."""
    pictures = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    main = sorted(pictures, key=lambda each: each.get("variant") != "MAIN")
    links = (each.get(size) for each in main for size in _SIZES)
    return next((link for link in links if isinstance(link, str) and link), "")
