"""Texts of items: cleaned of what a web page left in them, and put together from fields."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from html.entities import html5

_UNSEEN = "\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
"""What has no width, or turns a line round; joiners stay, which some scripts and emoji are written with."""
_DROPPED = re.compile(rf"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{_UNSEEN}]+")
_SPACES = re.compile(r"\s+")
_WORD = rf"[^&<>\s\x00-\x1f\x7f-\x9f{_UNSEEN}]+"
_PLAIN = re.compile(f"{_WORD}(?: {_WORD})*")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|(?P<name>[A-Za-z][A-Za-z0-9]{1,31}));")
_LINES = (
    "address blockquote body br center dd div dl dt h1 h2 h3 h4 h5 h6 head hr html iframe img li ol p pre script style"
)
_LINES += " table tbody td tfoot th thead tr ul"
_IN_LINES = "a abbr b big cite code del em font i ins q s small span strike strong sub sup tt u"
_TAG = re.compile(
    rf"</?(?:(?P<line>{'|'.join(_LINES.split())})|{'|'.join(_IN_LINES.split())})(?:[\s/][^<>]*)?>|<!--[^<>]*-->",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"[&<>;]|[^&<>;]+")


def clean(text: str) -> str:
    """A text as a reader sees it: no HTML entities, however often encoded, no tags of HTML, no control characters.

    Tags of lines, cells and pictures leave a space, others nothing; what stands in angle brackets and is no tag stays.
    White space of any kind becomes one space, none at the ends; characters without width go, those that join stay;
    the rest is in Unicode's form NFC. `clean(clean(x)) == clean(x)`, and plain text is what it was.
    """
    if _PLAIN.fullmatch(text) and unicodedata.is_normalized("NFC", text):
        return text
    text = _seen(text)
    if "<" in text or "&" in text:
        text = unicodedata.normalize("NFC", _Scanned(text).text)
    return _SPACES.sub(" ", text).strip()


def _seen(text: str) -> str:
    return unicodedata.normalize("NFC", _DROPPED.sub("", text))


class _Scanned:
    """A text without entities and tags, in one pass: either ends at a `;` or a `>`, also one that another leaves."""

    def __init__(self, text: str) -> None:
        self._pieces: list[str] = []
        self._open: dict[str, list[int]] = {"&": [], "<": []}
        """Where an entity or a tag may have begun."""
        waiting = _TOKENS.findall(text)[::-1]
        while waiting:
            token = waiting.pop()
            if token in self._open:
                self._open[token].append(len(self._pieces))
            self._pieces.append(token)
            if token == ";" and (entity := self._ended("&", _ENTITY)):
                waiting += _TOKENS.findall(_seen(unescape(entity[0])))[::-1]
            elif token == ">" and (tag := self._ended("<", _TAG)) and tag["line"]:
                self._pieces.append(" ")
        self.text = "".join(self._pieces)

    def _ended(self, sign: str, shape: re.Pattern[str]) -> re.Match[str] | None:
        """What ends here and began with the last `sign`, taken out; None when it is nothing of that shape."""
        begun = self._open[sign]
        match = shape.fullmatch("".join(self._pieces[begun[-1] :])) if begun else None
        if match is None or (shape is _ENTITY and match["name"] and f"{match['name']};" not in html5):
            begun.clear()  # no later end fits them: this one would stand between
            return None
        start = begun.pop()
        del self._pieces[start:]
        for places in self._open.values():
            while places and places[-1] >= start:
                places.pop()
        return match


@dataclass(frozen=True)
class Template:
    """How an item's text is made of fields: `"title"`, a list of fields, or `"{title}. {overview}"`."""

    fields: tuple[str, ...]
    between: tuple[str, ...] | None = None
    """What stands before each field and behind the last; None: a space between those that are not empty."""

    @classmethod
    def of(cls, written: str | Sequence[str]) -> "Template":
        """From how it is written; a text with `{field}` in it is a template, any other the one field's name."""
        if not isinstance(written, str):
            return cls(tuple(written))
        pieces = re.split(r"\{([^{}]+)\}", written)
        return cls(tuple(pieces[1::2]), tuple(pieces[::2])) if len(pieces) > 1 else cls((written,))

    def texts(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """The text of every row; where all fields are empty it is empty."""
        rows = zip(*(columns[field] for field in self.fields), strict=True)
        stripped = ([part.strip() for part in row] for row in rows)
        if self.between is None:
            return [" ".join(filter(None, row)) for row in stripped]
        first, *others = self.between
        return [
            (first + "".join(map("".join, zip(row, others, strict=True)))).strip() if any(row) else ""
            for row in stripped
        ]
