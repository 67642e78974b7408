"""Draws every picture of hand-made reports with few and many methods and with long names, to be looked at.

    python tests/gallery.py FOLDER [NAME or STUDY…]

Of each report FOLDER gets its pictures and `NAME.png`, a sheet of them at half width, in colour and in grey.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROFILES, build_record, simulated_ranks
from matplotlib.figure import Figure
from PIL import Image

from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result, load
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.figures import drawing
from tpmebench.reports.figures.drawing import Picture
from tpmebench.reports.records import Record, ranks_path

THREE = ["fft", "lora", "iisan-cached"]
EIGHT = [*THREE, "bitfit", "adapter", "iisan", "frozen", "sasrec-id"]
TWENTY = [name for name in PROFILES if name not in ("random", "content-knn", "ssf", "vpt-deep", "lst", "lst-cached")]
OUTSIDE = ("full", "embedded", "embedded", "hybrid", "decoupled", "reference", "embedded")
LONG = "research.adapters.experimental:LowRankAdapterWithSharedProjectionsAndGates"


def outside(number: int, name: str = "") -> str:
    """Another method, not of the suite's own, whose costs lie between those of others."""
    name, rng = name or f"lab.tuning:Variant{number}", np.random.default_rng(number)
    family = OUTSIDE[number % len(OUTSIDE)]
    seconds, parameters, peak = np.exp(rng.uniform(np.log([1, 1e5, 2e8]), np.log([15, 1.5e6, 2.4e9])))
    PROFILES.setdefault(name, (family, seconds, int(parameters), int(peak), 0.04 + 0.035 * rng.random()))  # pyright: ignore[reportArgumentType]
    return name


def record(method: str, seed: int) -> Record:
    """A cell of the method that also tells what each epoch reached on test."""
    made = build_record(method, seed=seed)
    for number, epoch in enumerate(made.time.epochs):
        epoch.test = {name: value * (0.96 + 0.004 * number) for name, value in epoch.valid.items()}
    return made


def comparison(methods: list[str], folder: Path, seeds: int = 3) -> Comparison:
    """Their comparison; ranks go to the folder, for tests between methods."""
    results = []
    for method in methods:
        for seed in range(seeds):
            made = record(method, seed)
            path = ranks_path(folder, made.cell_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, simulated_ranks(method, seed))
            results.append(Result(made, folder))
    return compare(results)[0]


REPORTS = {
    "one": lambda: ["fft"],
    "three": lambda: THREE,
    "eight": lambda: EIGHT,
    "twenty": lambda: TWENTY,
    "thirty": lambda: [*PROFILES, *(outside(number) for number in range(34 - len(PROFILES)))],
    "long": lambda: [*EIGHT, outside(1, LONG), outside(4, f"{LONG}:Cached"), outside(2, "a_b$c^{d}<i>é漢字")],
}
"""Reports by name; `thirty` has 31 methods that train, of all five families."""


def unprinted(comparison: Comparison) -> tuple[pages.Page, list[Figure]]:
    """A comparison's page and the figures of its pictures, as they are before they are printed, which is not done."""
    figures: list[Figure] = []

    def printed(figure: Figure) -> tuple[bytes, str]:
        figures.append(figure)
        return b"", ""

    def drawn(*_: object) -> None:
        raise AssertionError("a figure is laid out without being drawn")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "printed", printed)
        patch.setattr(Figure, "draw", drawn)
        return pages.build(comparison, CostWeights(), "fft"), figures


def sheet(pictures: list[Picture], folder: Path, width: int = 468, columns: int = 3) -> Image.Image:
    """The pictures of a folder at half width, each in colour and beneath in grey."""
    found = [Image.open(folder / f"{picture.name}.png").convert("RGB") for picture in pictures]
    small = [each.resize((width, each.height * width // each.width), Image.Resampling.LANCZOS) for each in found]
    pairs = [image for each in small for image in (each, each.convert("L").convert("RGB"))]
    heights, places = [0] * columns, []
    for one, two in zip(pairs[::2], pairs[1::2], strict=True):
        column = heights.index(min(heights))
        places += [(column * (width + 8), heights[column]), (column * (width + 8), heights[column] + one.height)]
        heights[column] += one.height + two.height + 8
    whole = Image.new("RGB", (columns * (width + 8), max(heights)), "#ff00ff")
    for image, place in zip(pairs, places, strict=True):
        whole.paste(image, place)
    return whole


def main(folder: Path, names: list[str]) -> None:
    """Draws the reports of those names or of studies' folders, by default all of those made by hand."""
    for name in names or REPORTS:
        own = folder / Path(name).name
        one = compare(load([Path(name)]))[0] if name not in REPORTS else comparison(REPORTS[name](), own)
        page = pages.build(one, CostWeights(), "fft")
        for line in page.failures():
            print(name, line)
        pictures = page.pictures()
        for picture in pictures:
            picture.save(own)
        if pictures:
            sheet(pictures, own).save(folder / f"{own.name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
