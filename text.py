"""Text that comes from outside (names, paths, messages of others) as one line that only shows itself."""

import unicodedata

# Control and format characters (escape sequences, text that runs backwards, what has no width), separators of lines and
# paragraphs, halves of a surrogate pair.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Part of how some scripts and emoji are written."""
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(value: object) -> str:
    r"""A value as one line of text: what would move, end or hide a line is shown escaped, as `\n` or `\x1b`."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(escaped(sign) if _unseen(sign) else sign for sign in text)


def _unseen(sign: str) -> bool:
    return unicodedata.category(sign) in _UNSEEN and sign not in _JOINERS


def escaped(sign: str) -> str:
    """A character by its number, as Python writes it."""
    code = ord(sign)
    if sign in _SHORT:
        return _SHORT[sign]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
