"""The source `amazon-2018`: Amazon Reviews of 2018 (and the reviews of 2014) as UCSD distributes them.

A folder with `{C}_5.json.gz`, the 5-core, or `{C}.json.gz`, and `meta_{C}.json.gz`; each also unpacked.
"""

import re
from pathlib import Path
from typing import Any

from .amazon import Metadata, ReviewOptions, Reviews, matching, metadata_of, no_metadata, of_category, stem
from .registry import register
from .tabular import Contents, Tabular
from .texts import Template

_REVIEWS = re.compile(r"(?!meta_)[^.]+\.json(\.gz)?")
_LINKS = ("imageURLHighRes", "imageURL", "image")


@register("amazon-2018")
class Amazon2018(Tabular):
    """Amazon Reviews 2018: {C}_5.json.gz and meta_{C}.json.gz"""

    options = ReviewOptions

    def contents(self) -> Contents:
        there = self.there
        found = matching(there, _REVIEWS, "*.json", "*.json.gz")
        file = of_category(there, "reviews", found, self.chosen.category)
        meta = metadata_of(there, stem(file), "json")
        if meta is None:
            raise no_metadata(there, stem(file), "json")
        reviews = Reviews(file, user="reviewerID", item="asin", time="unixReviewTime", rating="overall", unit="s")
        return Contents(reviews, items_of(meta, self.chosen.template))

    def without_pictures(self) -> str:
        """Metadata have addresses only."""
        return WITHOUT_PICTURES


WITHOUT_PICTURES = "the metadata only link to them: use --modalities text, or bring them with bench data prepare"


def items_of(meta: Path, template: str) -> Metadata:
    """The items of a file of metadata of 2018."""
    return Metadata(meta, "asin", Template.of(template), _LINKS, first_link, {"title": _title})


def first_link(value: Any) -> str:
    """The first of a list of addresses, or the only one."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else ""


def _title(value: Any) -> str:
    """A title; none where the script of the page was taken for it, as in some rows."""
    return value if isinstance(value, str) and "getTime" not in value else ""
