"""What all pictures share: the style, looks that can be told apart in grey, labels that never overlap."""

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from ..files import write_atomic

STYLE = Path(__file__).with_name("tpmebench.mplstyle")
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#999999"
FAMILY_COLOURS = {"full": BLACK, "embedded": RED, "decoupled": BLUE, "reference": GREY}
FAMILY_MARKERS = {"full": "s", "embedded": "^", "decoupled": "o", "reference": "x"}
COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, BLACK, SKY, "#8A7A00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
WIDTH = 7.2


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


def wrapped(label: str) -> str:
    """A method's name on lines of at most 18 characters."""
    return "\n".join(textwrap.wrap(label, 18, break_long_words=False))


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
            label=column,
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
    columns = 2 if max(map(len, map(str, parts.columns))) > 14 else 4
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns)


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Writes each text beside its point, at the nearest place where it covers no point, line, other text or edge."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixels = axes.transData.transform(points)
    scale = figure.dpi / 72
    taken = [Bbox.from_bounds(x - 6 * scale, y - 6 * scale, 12 * scale, 12 * scale) for x, y in pixels]
    taken += [box for corners in drawn_lines(axes) for box in line_boxes(corners, scale)]
    frame = axes.get_window_extent(renderer)
    for (x, y), point, text, colour in zip(pixels, points, texts, colours, strict=True):
        note = axes.annotate(
            text, point, xytext=(0, 0), textcoords="offset points", fontsize=12, color=colour, zorder=5, va="center"
        )
        size = note.get_window_extent(renderer)
        dx, dy, side = free_place(x, y, size.width, size.height, taken, frame, scale)
        note.set(position=(dx / scale, dy / scale), ha=side)
        taken.append(text_box(x + dx, y + dy, size.width, size.height, side))
        if abs(dy) > 20 * scale:
            line = {"xytext": (dx / scale, dy / scale), "textcoords": "offset points"}
            axes.annotate("", point, arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8}, **line)


def drawn_lines(axes: Axes) -> list[np.ndarray]:
    """Corners, in pixels, of every line and error bar in the axes."""
    lines = [line for line in axes.get_lines() if line.get_linestyle() not in ("None", "none")]
    corners = [line.get_transform().transform(line.get_xydata()) for line in lines]
    bars = [drawn for drawn in axes.collections if isinstance(drawn, LineCollection)]
    return corners + [axes.transData.transform(segment) for bar in bars for segment in bar.get_segments()]


def line_boxes(corners: np.ndarray, scale: float) -> list[Bbox]:
    """Small boxes, in pixels, along a line through `corners` `[n, 2]`."""
    boxes = []
    for start, end in pairwise(corners):
        steps = int(np.hypot(*(end - start)) / (4 * scale)) + 1
        boxes += [
            Bbox.from_bounds(x - scale, y - scale, 2 * scale, 2 * scale) for x, y in np.linspace(start, end, steps)
        ]
    return boxes


def text_box(x: float, y: float, width: float, height: float, side: str) -> Bbox:
    """The box, in pixels, of a text anchored at its left or right middle."""
    return Bbox.from_bounds(x if side == "left" else x - width, y - height / 2, width, height)


def free_place(
    x: float, y: float, width: float, height: float, taken: list[Bbox], frame: Bbox, scale: float
) -> tuple[float, float, str]:
    """Offset in pixels from (x, y), and the text's side there, of the nearest free place inside the frame."""
    for ring in range(60):
        for sign_x, rise in ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1)):
            dx, dy = sign_x * 9 * scale, rise * ring * 4 * scale
            side = "left" if sign_x > 0 else "right"
            box = text_box(x + dx, y + dy, width, height, side)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                return dx, dy, side
    return 9 * scale, 0.0, "left"
