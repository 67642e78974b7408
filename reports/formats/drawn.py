"""Pictures as SVG within a page: they follow its light or dark ground, and share its ids with none.

What matplotlib writes needs nothing done beforehand. Each colour gets a twin for dark ground: black and grey change
places with white, a colour is made as light as telling it from the ground takes, and most stay what they are. An artist
whose gid begins with `on-colour`, as a name that stands on a coloured area may, keeps its own colours on either ground.
"""

import colorsys
import re
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.colors import to_hex, to_rgb

from ..figures.drawing import Picture

PIXELS = 96 / 72
"""Pixels of a point."""
INK, PAPER = (0xE8, 0xE8, 0xE8), (0x15, 0x18, 0x1C)
"""What black and white become on dark ground, as in `report.css`."""
GREY, PALE, CONTRAST = 0.10, 0.85, 3.0
FIXED = "on-colour"
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_DROPPED = {f"{_SVG}metadata", f"{_SVG}style"}
_COLOUR = re.compile(r"\b(fill|stroke|stop-color)\s*:\s*(#[0-9a-fA-F]{6})\b")
_URL = re.compile(r"url\(#([^)]*)\)")


def inline(picture: Picture) -> Markup:
    """The picture as an element of a page, at most as wide as it was drawn."""
    root = ElementTree.fromstring(picture.svg)
    view = root.attrib["viewBox"]
    width = round(float(view.split()[2]) * PIXELS)
    root.attrib.clear()
    root.attrib |= {"viewBox": view, "width": str(width), "role": "img", "aria-label": picture.alt}
    adapt(root, f"{picture.name}-")
    for element in root.iter():  # a page's own svg has no prefixes
        element.tag = element.tag.removeprefix(_SVG)
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))


def adapt(element: ElementTree.Element, prefix: str) -> None:
    """Gives the elements below ids of their own and colours for both grounds, and drops what belongs to a file."""
    for child in list(element):
        if child.tag in _DROPPED:
            element.remove(child)
            continue
        own = child.attrib.pop("id", "")
        if own.startswith(FIXED):
            child.set("class", FIXED)
        elif own:
            child.set("id", prefix + own)
        if (target := child.get(_LINK, "")).startswith("#"):
            child.set(_LINK, f"#{prefix}{target[1:]}")
        style = child.get("style", "")
        for name in ("fill", "stroke"):  # an attribute could give one ground only
            if child.get(name, "").startswith("#"):
                style = f"{name}: {child.attrib.pop(name)}; {style}"
        for name, value in list(child.attrib.items()):
            child.set(name, _URL.sub(rf"url(#{prefix}\1)", value))
        if style:
            child.set("style", _COLOUR.sub(both, _URL.sub(rf"url(#{prefix}\1)", style)))
        child.tail = None
        adapt(child, prefix)
    if not (element.text or "").strip():
        element.text = None


def both(found: re.Match[str]) -> str:
    """A colour on light ground and on dark; browsers that know no `light-dark` keep the first."""
    name, colour = found.groups()
    return f"{name}: {colour}; {name}: light-dark({colour}, {on_dark(colour)})"


def on_dark(colour: str) -> str:
    """A colour's twin on dark ground, `#rrggbb` both."""
    rgb = to_rgb(colour)
    if max(rgb) - min(rgb) <= GREY:
        light = sum(rgb) / 3
        red, green, blue = ((light * paper + (1 - light) * ink) / 255 for ink, paper in zip(INK, PAPER, strict=True))
        return to_hex((red, green, blue))
    hue, light, saturation = colorsys.rgb_to_hls(*rgb)
    if light > PALE:  # a tint of the ground
        return to_hex(colorsys.hls_to_rgb(hue, 1.1 - light, min(saturation, 0.5)))
    while _contrast(colorsys.hls_to_rgb(hue, light, saturation)) < CONTRAST:
        light += 0.01
    return to_hex(colorsys.hls_to_rgb(hue, light, saturation))


def _contrast(rgb: tuple[float, ...]) -> float:
    """To dark ground, as WCAG defines it."""

    def luminance(parts: tuple[float, ...]) -> float:
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    return (luminance(rgb) + 0.05) / (luminance(tuple(part / 255 for part in PAPER)) + 0.05)
