"""What all pictures share: the style, the files that a picture becomes, and names as a picture shows them."""

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...files import write_atomic
from ...text import escaped, visible

STYLE = Path(__file__).with_name("tpmebench.mplstyle")
WIDTH = 7.2
SMALL = 11
"""Points of the smallest type: legible at half width, where 7.2 inches are a column's 3.6."""
LONGEST = 40
"""Characters of a name in a picture; of a longer one the middle is left out. Tables show it whole."""
TINY = 10
"""Points of numbers that stand for names."""

_Y_AXIS = "y-axis"

Paint = Callable[[Figure], None]


@dataclass(frozen=True)
class Picture:
    """A finished picture: PNG and SVG, a caption, and the words for those who do not see it.

    The PNG is on white; SVG and PDF have no ground of their own. `paint` and `height` (inches) draw it once more.
    """

    name: str
    caption: str
    alt: str
    png: bytes = field(repr=False)
    svg: str = field(repr=False)
    height: float
    paint: Paint = field(compare=False, repr=False)

    def pdf(self) -> bytes:
        """The same as PDF, for LaTeX: its text is text, the fonts are in it."""
        data = io.BytesIO()
        with style():
            figure = painted(self.paint, self.height)
            on_nothing(figure)
            FigureCanvasPdf(figure).print_pdf(data, metadata={"CreationDate": None, "Creator": None, "Producer": None})
        return data.getvalue()

    def save(self, directory: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
        """Writes `<name>.<format>` for each of `png`, `svg` and `pdf` that is asked for."""
        make: dict[str, Callable[[], bytes | str]] = {
            "png": lambda: self.png,
            "svg": lambda: self.svg,
            "pdf": self.pdf,
        }
        paths = [directory / f"{self.name}.{kind}" for kind in formats]
        for path, kind in zip(paths, formats, strict=True):
            write_atomic(path, make[kind]())
        return paths


@contextmanager
def style() -> Iterator[None]:
    """The project's look, and nothing of the user's own settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc_file(STYLE, use_default_template=False)
        yield


def draw(name: str, caption: str, alt: str, height: float, paint: Paint) -> Picture:
    """Calls `paint` on an empty figure of the common width, in the common style.

    The canvases print directly: `savefig` would lay out and draw everything once more beforehand.
    """
    with style():
        return Picture(name, caption, alt, *printed(painted(paint, height)), height, paint)


def printed(figure: Figure) -> tuple[bytes, str]:
    """The figure as PNG and as SVG."""
    png, svg = io.BytesIO(), io.StringIO()
    figure.canvas.print_png(png, metadata={"Software": None})  # type: ignore[attr-defined]
    on_nothing(figure)
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    return png.getvalue(), svg.getvalue()


def painted(paint: Paint, height: float) -> Figure:
    """The figure, laid out once and for all."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    paint(figure)
    laid_out(figure)
    return figure


def laid_out(figure: Figure) -> None:
    """Lets the figure find its places, once, and keep them, so that pixels can be counted on."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.execute(figure)
        figure.set_layout_engine("none")  # which leaves one that does nothing
        bounds = np.array([axes.get_position().intervaly for axes in figure.axes if axes.axison])
        for text in figure.texts:
            if text.get_gid() == _Y_AXIS and len(bounds):
                text.set_y((bounds.min() + bounds.max()) / 2)


def on_nothing(figure: Figure) -> None:
    """Takes the ground away, so that the page's own shows."""
    figure.patch.set_facecolor("none")


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


def wrapped(label: str, width: int = 18) -> str:
    """A method's name on two lines at most, of so many characters, broken where words end if that can be."""
    text = written(label, min(2 * width, LONGEST))
    lines = textwrap.wrap(text, width)
    return "\n".join(lines if len(lines) <= 2 else (text[:width], text[width:])) or " "


def legend(figure: Figure, handles: Sequence[Any], most: int = 3, below: bool = False, **options: Any) -> None:
    """The legend above or below a picture, in as many columns, `most` at most, as there is room for.

    `options` are matplotlib's.
    """
    place = "outside lower left" if below else "outside upper left"
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for columns in range(most, 0, -1):
        drawn = figure.legend(handles=handles, loc=place, ncols=columns, **options)
        if columns == 1 or drawn.get_window_extent(renderer).width <= figure.bbox.width:
            break
        drawn.remove()


def name_y_axis(figure: Figure, text: str) -> None:
    """One label for the y axes of all plots, in the middle of them once they are laid out."""
    figure.supylabel(text, fontsize=12).set_gid(_Y_AXIS)


def logarithmic(axes: Axes, spread: float = 200) -> None:
    """A logarithmic x axis whose ticks are plain numbers, at 1, 2 and 5 when it spans less than `spread` times."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < spread else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_minor_formatter(NullFormatter())


def plain(value: float, _: object = None) -> str:
    """A tick's number without a power of ten."""
    return f"{value:,.10g}"
