"""Draws bazaar's pictures: a patterned figure with an emblem on a noisy ground, a function of the item alone.

All of it is array arithmetic over a batch of items. The random part of a picture comes from a counter-based
generator keyed by the item, so that a picture is the same whichever others are drawn with it.
"""

from dataclasses import dataclass, fields

import numpy as np

EMBLEM_SIDE = 5
_BATCH = 512


@dataclass(frozen=True)
class Looks:
    """What is drawn, one row a picture.

    `key` uint64 `[n]` decides position, size, turn, light, ground and noise; `colour` float32 `[n, 3]` in 0..1.
    The figure's outline has `lobes` bulges of relative `depth`. The pattern is `weave` (0 plain, 1 stripes, 2 checks,
    3 dots) of `waves` periods across the picture, turned by `angle` radians. `emblem` bool `[n, 5, 5]` is drawn on top.
    """

    key: np.ndarray
    colour: np.ndarray
    lobes: np.ndarray
    depth: np.ndarray
    weave: np.ndarray
    waves: np.ndarray
    angle: np.ndarray
    emblem: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> "Looks":
        return Looks(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw(looks: Looks, side: int) -> np.ndarray:
    """Pictures, uint8 RGB `[n, side, side, 3]`."""
    pictures = np.empty((len(looks.key), side, side, 3), dtype=np.uint8)
    for start in range(0, len(pictures), _BATCH):
        rows = slice(start, start + _BATCH)
        pictures[rows] = _draw_batch(looks[rows], side)
    return pictures


def _draw_batch(looks: Looks, side: int) -> np.ndarray:
    dice = uniforms(looks.key, 12)[:, :, None, None]
    turn = 0.3 * (dice[:, 0] - 0.5)
    radius = 0.66 + 0.18 * dice[:, 1]
    grid = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    x = grid[None, None, :] - 0.2 * (dice[:, 2] - 0.5)
    y = grid[None, :, None] - 0.2 * (dice[:, 3] - 0.5)
    inside = _figure(looks, x, y, radius, turn, side)
    dark = _pattern(looks, x, y, turn, phase=2 * np.pi * dice[:, 4])

    light = (0.8 + 0.35 * dice[:, 5])[..., None]
    colour = looks.colour[:, None, None, :] * light
    fill = colour * (1 - 0.55 * dark[..., None])
    mark = _emblem(looks.emblem, x / radius, y / radius)[..., None]
    fill += mark * (0.97 - fill)

    grey, tint = 0.35 + 0.5 * dice[:, 6], 0.12 * (dice[:, 7:10] - 0.5)
    slope = 0.3 * (dice[:, 10] - 0.5) * grid[None, None, :] + 0.3 * (dice[:, 11] - 0.5) * grid[None, :, None]
    ground = (grey + slope)[..., None] + np.moveaxis(tint, 1, -1)
    pixels = ground + inside[..., None] * (fill - ground) + _noise(looks.key, side)[..., None]
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


def _figure(looks: Looks, x: np.ndarray, y: np.ndarray, radius: np.ndarray, turn: np.ndarray, side: int) -> np.ndarray:
    """How far a pixel lies inside the outline, 0..1 with a soft edge one pixel wide."""
    angle = np.arctan2(y, x) + turn - np.float32(np.pi / 2)
    bulge = 0.5 - 0.5 * np.cos(looks.lobes[:, None, None] * angle)
    outline = radius * (1 - looks.depth[:, None, None] * bulge)
    return np.clip((outline - np.sqrt(x * x + y * y)) * (side / 2) + 0.5, 0, 1)


def _pattern(looks: Looks, x: np.ndarray, y: np.ndarray, turn: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Where the pattern darkens the figure, 0 or 1."""
    angle = looks.angle[:, None, None] + turn
    rate = np.float32(np.pi) * looks.waves[:, None, None]
    across = np.cos(rate * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    along = np.cos(rate * (y * np.cos(angle) - x * np.sin(angle)) + phase)
    weave = looks.weave[:, None, None]
    return np.where(
        weave == 0, 0, np.where(weave == 1, across > 0, np.where(weave == 2, across * along > 0, across + along > 0.8))
    ).astype(np.float32)


def _emblem(emblem: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The emblem's bits on a square in the middle of the figure, 0 or 1."""
    half = 0.45
    column = np.floor((x + half) * (EMBLEM_SIDE / (2 * half))).astype(np.intp)
    row = np.floor((y + half) * (EMBLEM_SIDE / (2 * half))).astype(np.intp)
    column, row = np.broadcast_arrays(column, row)
    on = (column >= 0) & (column < EMBLEM_SIDE) & (row >= 0) & (row < EMBLEM_SIDE)
    picture = np.arange(len(emblem))[:, None, None]
    bits = emblem[picture, np.clip(row, 0, EMBLEM_SIDE - 1), np.clip(column, 0, EMBLEM_SIDE - 1)]
    return (on & bits).astype(np.float32)


def _noise(key: np.ndarray, side: int) -> np.ndarray:
    return (0.12 * (uniforms(key ^ np.uint64(0x5DEECE66D), side * side) - 0.5)).reshape(-1, side, side)


def uniforms(key: np.ndarray, count: int) -> np.ndarray:
    """Numbers in [0, 1), float32 `[len(key), count]`, from SplitMix64 (Steele et al., 2014) started at each key."""
    step = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = mix(key)[:, None] + step[None, :]
    return (mix(bits) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def mix(bits: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: neighbouring uint64 become unrelated ones."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def emblems(count: int, seed: int, apart: int = 6) -> np.ndarray:
    """Mirrored 5×5 emblems, bool `[count, 5, 5]`, any two of which differ in at least `apart` pixels."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    while len(found) < count:
        half = rng.random((EMBLEM_SIDE, 3)) < 0.5
        emblem = np.concatenate([half, half[:, 1::-1]], axis=1)
        if all((emblem != other).sum() >= apart for other in found):
            found.append(emblem)
    return np.stack(found)
