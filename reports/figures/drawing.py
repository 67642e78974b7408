"""What all pictures share: the style, and looks that can be told apart in grey."""

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter

from ...files import write_atomic
from ...text import escaped, visible

STYLE = Path(__file__).with_name("tpmebench.mplstyle")
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#999999"
FAMILY_COLOURS = {"full": BLACK, "embedded": RED, "hybrid": GREEN, "decoupled": BLUE, "reference": GREY}
FAMILY_MARKERS = {"full": "s", "embedded": "^", "hybrid": "D", "decoupled": "o", "reference": "x"}
COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, BLACK, SKY, "#8A7A00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
WIDTH = 7.2
LONGEST = 40
"""Characters of a name in a picture; of a longer one the middle is left out. Tables show it whole."""
ROOM = {4: 14, 3: 24, 2: 30}
"""Columns of a legend: the longest name, in characters, with which so many fit side by side."""


@dataclass(frozen=True)
class Picture:
    """A finished picture: PNG and SVG, a caption, and the words for those who do not see it."""

    name: str
    caption: str
    alt: str
    png: bytes
    svg: str

    def save(self, directory: Path) -> list[Path]:
        """Writes `<name>.png` and `<name>.svg`."""
        paths = [directory / f"{self.name}.png", directory / f"{self.name}.svg"]
        write_atomic(paths[0], self.png)
        write_atomic(paths[1], self.svg)
        return paths


def line_looks(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each method's line, the same in every picture that is given the same methods."""
    return {
        label: {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": DASHES[number % len(DASHES)],
            "markeredgecolor": "white",
        }
        for number, label in enumerate(labels)
    }


@contextmanager
def style() -> Iterator[None]:
    """The project's look, and nothing of the user's own settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc_file(STYLE, use_default_template=False)
        yield


def draw(name: str, caption: str, alt: str, height: float, paint: Callable[[Figure], None]) -> Picture:
    """Calls `paint` on an empty figure of the common width, in the common style.

    The canvases print directly: `savefig` would lay out and draw everything once more beforehand.
    """
    with style():
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        paint(figure)
        png, svg = io.BytesIO(), io.StringIO()
        canvas.print_png(png, metadata={"Software": None})
        figure.set_layout_engine("none")
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    return Picture(name, caption, alt, png.getvalue(), svg.getvalue())


def written(name: object, longest: int = LONGEST) -> str:
    """A name as a picture shows it: one line, not too long, characters that the font lacks by their numbers.

    Dollar signs stay what they are: the style turns formulas off.
    """
    text = "".join(sign if has_glyph(sign) else escaped(sign) for sign in visible(name))
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[1 - longest // 2 :]}"
    return f" {text}" if text.startswith("_") else text  # matplotlib keeps such a name out of the legend


@cache
def has_glyph(sign: str) -> bool:
    """Whether the font of all pictures, which comes with matplotlib, has a character."""
    return get_font(findfont(FontProperties(family="DejaVu Sans"))).get_char_index(ord(sign)) != 0


def wrapped(label: str) -> str:
    """A method's name on lines of at most 18 characters."""
    return "\n".join(textwrap.wrap(written(label), 18, break_long_words=False))


def legend(figure: Figure, handles: Sequence[Any], most: int = 3) -> None:
    """The legend above a picture, in as many columns, `most` at most, as its longest name leaves room for."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    fitting = (columns for columns, length in ROOM.items() if columns <= most and longest <= length)
    figure.legend(handles=handles, loc="outside upper left", ncols=max(fitting, default=1))


def bar_height(rows: int, extra: float = 1.6) -> float:
    """Inches for a picture of horizontal bars."""
    return extra + 0.42 * max(rows, 1)


def stacked_bars(axes: Axes, parts: pd.DataFrame, texts: Sequence[str], colours: Sequence[str] = COLOURS) -> None:
    """Horizontal bars, first row on top, one colour and hatch a column, `texts` at their ends; legend above."""
    left = pd.Series(0.0, index=parts.index)
    rows = range(len(parts))
    for number, column in enumerate(parts.columns):
        axes.barh(
            rows,
            parts[column],
            left=left,
            height=0.72,
            color=colours[number % len(colours)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="white",
            linewidth=0.6,
            label=written(column),
        )
        left = left + parts[column]
    for position, (end, text) in enumerate(zip(left, texts, strict=True)):
        axes.annotate(text, (end, position), xytext=(5, 0), textcoords="offset points", va="center", fontsize=12)
    axes.set_yticks(rows, [wrapped(label) for label in parts.index])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlim(0, max(float(left.max()), 1e-12) * 1.22)
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    legend(figure, axes.get_legend_handles_labels()[0], most=4)
