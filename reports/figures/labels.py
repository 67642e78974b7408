"""Names beside the points of a picture, that never overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_GAP = 9
"""From a point's middle to its name, in points of type."""
_FAR = 20
"""A name so far above or below its point, in points of type, takes a line to it."""


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Writes each text beside its point, at the nearest place where it covers no point, line, other text or edge.

    A thin line leads from the text to its point where that is far off, or another point is nearer.
    """
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixels = axes.transData.transform(points)
    scale = figure.dpi / 72
    taken = [Bbox.from_bounds(x - 6 * scale, y - 6 * scale, 12 * scale, 12 * scale) for x, y in pixels]
    taken += [box for corners in drawn_lines(axes) for box in line_boxes(corners, scale)]
    room = Room(axes.get_window_extent(renderer), taken, pixels, scale)
    for own, ((x, y), point, text, colour) in enumerate(zip(pixels, points, texts, colours, strict=True)):
        note = axes.annotate(
            text, point, xytext=(0, 0), textcoords="offset points", fontsize=12, color=colour, zorder=5, va="center"
        )
        size = note.get_window_extent(renderer)
        dx, dy, side = room.place(own, size.width, size.height)
        note.set(position=(dx / scale, dy / scale), ha=side)
        box = text_box(x + dx, y + dy, size.width, size.height, side)
        taken.append(box)
        if abs(dy) > _FAR * scale or nearest_point(box, pixels) != own:
            end = tuple((np.clip((x, y), box.min, box.max) - (x, y)) / scale)
            line = {"arrowstyle": "-", "color": colour, "linewidth": 0.8}
            axes.annotate("", point, xytext=end, textcoords="offset points", arrowprops=line)


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
    """The box, in pixels, of a text anchored at the middle of its left or right side or of itself."""
    left = {"left": x, "right": x - width, "center": x - width / 2}[side]
    return Bbox.from_bounds(left, y - height / 2, width, height)


def nearest_point(box: Bbox, points: np.ndarray) -> int:
    """Which of some points `[n, 2]` is nearest to a box."""
    return int(np.hypot(*(points - np.clip(points, box.min, box.max)).T).argmin())


@dataclass(frozen=True)
class Room:
    """Where texts can stand, in pixels: the frame, what is taken in it, all points `[n, 2]`, pixels a point of type."""

    frame: Bbox
    taken: list[Bbox]
    points: np.ndarray
    scale: float

    def place(self, own: int, width: float, height: float) -> tuple[float, float, str]:
        """Offset from a point, and the text's side there: the nearest free place, if possible near no other point."""
        x, y = self.points[own]
        first = None
        for dx, dy, side in self._offsets(height):
            box = text_box(x + dx, y + dy, width, height, side)
            if first and abs(dy) > _FAR * self.scale:
                break
            if self._free(box):
                first = first or (dx, dy, side)
                if nearest_point(box, self.points) == own:
                    return dx, dy, side
        return first or (_GAP * self.scale, 0.0, "left")

    def _offsets(self, height: float) -> Iterator[tuple[float, float, str]]:
        gap = _GAP * self.scale
        for ring in range(60):
            rise = ring * 4 * self.scale
            for sign, side in ((1, "left"), (-1, "right")):
                yield from ((sign * gap, dy, side) for dy in sorted({rise, -rise}, reverse=True))
            yield from ((0.0, dy, "center") for dy in (rise + gap + height / 2, -rise - gap - height / 2))

    def _free(self, box: Bbox) -> bool:
        frame = self.frame
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        return inside and not any(box.overlaps(other) for other in self.taken)
