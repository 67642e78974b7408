"""Names beside the points of a picture, that never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from .drawing import SMALL, laid_out

_GAP = 7
"""From a point's middle to its name, in points of type."""
_FAR = 13
"""A name that starts so far from its point, in points of type, takes a line to it."""
_RINGS = 90
_ANGLES = np.radians([0, 180, 90, 270, 30, 150, 330, 210, 60, 120, 300, 240])
_WAYS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
"""Where a name is tried around its point: beside it first."""


@dataclass(frozen=True)
class Label:
    """What stands beside a point, which is given in data."""

    point: tuple[float, float]
    text: str
    colour: str
    size: float = SMALL


def place_labels(axes: Axes, labels: Sequence[Label]) -> None:
    """Writes each text beside its point, at the nearest place where it covers no point, line, other text or edge.

    The first choose first. A thin line leads from the text to its point where that is far off, or another point is
    nearer. Lays the figure out, which must be whole but for this.
    """
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    laid_out(figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixels = axes.transData.transform([label.point for label in labels]).reshape(-1, 2)
    scale = figure.dpi / 72
    marks = np.concatenate([pixels - 5 * scale, pixels + 5 * scale], axis=1)
    lines = [boxes_along(corners, scale) for corners in drawn_lines(axes)]
    room = Room(np.array(axes.get_window_extent(renderer).extents), pixels, scale, np.concatenate([marks, *lines]))
    for own, label in enumerate(labels):
        look = {"textcoords": "offset points", "color": label.colour, "zorder": 5, "ha": "center", "va": "center"}
        note = axes.annotate(label.text, label.point, (0, 0), fontsize=label.size, **look)
        size = note.get_window_extent(renderer)
        box = room.place(own, size.width, size.height)
        note.set_position(tuple(((box[:2] + box[2:]) / 2 - pixels[own]) / scale))
        end = np.clip(pixels[own], box[:2], box[2:])
        if np.hypot(*(end - pixels[own])) > _FAR * scale or nearest_point(box, pixels) != own:
            line = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
            offset = tuple((end - pixels[own]) / scale)
            axes.annotate("", label.point, xytext=offset, textcoords="offset points", arrowprops=line)


def drawn_lines(axes: Axes) -> list[np.ndarray]:
    """Corners, in pixels, of every line and error bar in the axes, as they are drawn: those of steps, too."""
    lines = [line for line in axes.get_lines() if line.get_linestyle() not in ("None", "none")]
    corners = [line.get_transform().transform(stepped(np.asarray(line.get_xydata()), line.get_drawstyle())) for line in
               lines]  # fmt: skip
    bars = [drawn for drawn in axes.collections if isinstance(drawn, LineCollection)]
    return corners + [axes.transData.transform(segment) for bar in bars for segment in bar.get_segments()]


def stepped(points: np.ndarray, style: str) -> np.ndarray:
    """Where a line through points `[n, 2]` turns."""
    if style != "steps-post" or len(points) < 2:
        return points
    xs, ys = points.T
    return np.column_stack([np.repeat(xs, 2)[1:], np.repeat(ys, 2)[:-1]])


def boxes_along(corners: np.ndarray, scale: float) -> np.ndarray:
    """Small boxes `[n, 4]`, in pixels, along a line through `corners` `[n, 2]`."""
    ways = [np.empty((0, 2))]
    for start, end in pairwise(corners):
        ways.append(np.linspace(start, end, int(np.hypot(*(end - start)) / (3 * scale)) + 2))
    middles = np.concatenate(ways)
    return np.concatenate([middles - scale, middles + scale], axis=1)


def nearest_point(box: np.ndarray, points: np.ndarray) -> int:
    """Which of some points `[n, 2]` is nearest to a box `[4]`."""
    return int(np.hypot(*(points - np.clip(points, box[:2], box[2:])).T).argmin())


@dataclass
class Room:
    """Where texts can stand, in pixels: `frame` `[4]`, all `points` `[n, 2]`, what is `taken` `[m, 4]`, pixels a point.

    Boxes are left, bottom, right, top. `texts`: those that were placed, which no line to a point may cross.
    """

    frame: np.ndarray
    points: np.ndarray
    scale: float
    taken: np.ndarray
    texts: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))

    def place(self, own: int, width: float, height: float) -> np.ndarray:
        """The box of a text of this size: the nearest free one to its point, if possible near no other point."""
        found = self._found(own, np.array([width, height]) / 2)
        self.texts = np.vstack([self.texts, found])
        self.taken = np.vstack([self.taken, found, self._lead(own, found)])
        return found

    def _found(self, own: int, half: np.ndarray) -> np.ndarray:
        first = crossing = None
        for ring in range(_RINGS):
            far = (_GAP + 2.5 * ring) * self.scale
            if first is not None and far > 3 * _FAR * self.scale:
                break
            for box in self._free(self._around(own, far, half)):
                if _overlap(self._lead(own, box)[:, None], self.texts[None]).any():
                    crossing = box if crossing is None else crossing
                    continue
                if nearest_point(box, self.points) == own:
                    return box
                first = box if first is None else first
        beside = np.concatenate([self.points[own], self.points[own] + 2 * half])
        return next(box for box in (first, crossing, beside) if box is not None)

    def _lead(self, own: int, box: np.ndarray) -> np.ndarray:
        """The line from a text to its point."""
        return boxes_along(np.array([self.points[own], np.clip(self.points[own], box[:2], box[2:])]), self.scale)

    def _around(self, own: int, far: float, half: np.ndarray) -> np.ndarray:
        """The boxes `[angles, 4]` so far from a point."""
        middles = self.points[own] + far * _WAYS + half * np.clip(1.6 * _WAYS, -1, 1)
        return np.concatenate([middles - half, middles + half], axis=1)

    def _free(self, boxes: np.ndarray) -> np.ndarray:
        inside = (boxes[:, :2] >= self.frame[:2]).all(axis=1) & (boxes[:, 2:] <= self.frame[2:]).all(axis=1)
        boxes = boxes[inside]
        return boxes[~_overlap(boxes[:, None], self.taken[None]).any(axis=1)]


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which boxes `[…, 4]` overlap."""
    apart = (one[..., :2] >= other[..., 2:]) | (other[..., :2] >= one[..., 2:])
    return np.logical_not(np.any(apart, axis=-1))
