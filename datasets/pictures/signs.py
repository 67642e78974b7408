"""What a file under a picture's name is in truth, told by how it begins."""

from typing import IO

_BEGINS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the file"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "a PDF"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x00\x00\x01\xba", "a video"),
    (b"FLV", "a video"),
    (b"PK\x03\x04", "a zip"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\xff\xd8", "a JPEG with a damaged head"),
    (b"\x89PNG", "a PNG with a damaged head"),
    (b"GIF8", "a GIF with a damaged head"),
    (b"BM", "a BMP with a damaged head"),
    (b"II*\0", "a TIFF with a damaged head"),
    (b"MM\0*", "a TIFF with a damaged head"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_STILLS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC"}
_HEAD = 1024


def what_it_is(content: IO[bytes]) -> str:
    """In few words, from the first kilobyte."""
    content.seek(0)
    head = content.read(_HEAD)
    if not head.strip(b"\0"):
        return "nothing but zeros" if head else "empty"
    if known := next((what for begins, what in _BEGINS if head.startswith(begins)), ""):
        return known
    if head[4:8] == b"ftyp":
        return _STILLS.get(head[8:12], "a video")
    if head.startswith(b"RIFF"):
        return "a WebP with a damaged head" if head[8:12] == b"WEBP" else "a video or sound"
    return _text(head) or "no format that is known"


def _text(head: bytes) -> str:
    """What kind of text it is; "" for none."""
    shown = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in shown:
        return "an SVG drawing"
    if shown.startswith(_PAGES) or (shown.startswith(b"<!--") and b"<html" in shown):
        return "a web page"
    if shown.startswith(b"<"):
        return "XML"
    if shown.startswith((b"{", b"[")):
        return "JSON"
    is_text = all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head)
    return "text" if is_text else ""
