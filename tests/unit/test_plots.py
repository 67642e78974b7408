"""Pictures: drawn for every kind of comparison, without overlapping labels, each axis with its unit."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from tpmebench.reports.analysis import sensitivity
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights, tpme
from tpmebench.reports.figures import accuracy as plot_accuracy
from tpmebench.reports.figures import costs as plot_costs
from tpmebench.reports.figures import drawing as plots
from tpmebench.reports.figures import sensitivity as plot_sensitivity
from tpmebench.reports.figures.labels import place_labels
from tpmebench.reports.tables import caching


@pytest.fixture(scope="module")
def comparison(make_record, all_methods) -> Comparison:
    records = [make_record(method, seed=seed) for method in all_methods for seed in range(2)]
    records.append(make_record("lora", options={"r": 64, "alpha": 128}))
    return compare([Result(record) for record in records])[0]


@pytest.fixture(scope="module")
def drawn(comparison: Comparison) -> list[tuple[str, Figure]]:
    """Every picture's name and figure."""
    figures: list[Figure] = []

    class Kept(Figure):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            figures.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "Figure", Kept)
        names = [picture.name for picture in painted(comparison)]
    return list(zip(names, figures, strict=True))


def painted(comparison: Comparison) -> list[plots.Picture]:
    scored = tpme(comparison.ranked, CostWeights())
    maps = [("all methods", sensitivity.regions(comparison.ranked))]
    pictures = [
        plot_costs.tpme_parts(scored, CostWeights()),
        plot_costs.epoch_time(comparison),
        plot_costs.memory_kinds(comparison),
        plot_costs.memory_phases(comparison),
        plot_accuracy.against_cost(comparison, scored["tpme"], "TPME (no unit)", "accuracy-tpme", log=False),
        plot_accuracy.against_cost(comparison, comparison.methods["time"], "T (s)", "accuracy-time"),
        plot_accuracy.learning_curves(comparison),
        plot_sensitivity.ternary(maps, comparison.drawn),
        plot_sensitivity.edges(comparison.ranked, comparison.drawn),
        caching.caching_plot(comparison),
    ]
    assert None not in pictures
    return [picture for picture in pictures if picture is not None]


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text of a figure that is drawn, with its box in pixels."""
    figure.dpi = 130
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    hidden |= {id(tick.label1), id(tick.label2)}
    found = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found if id(t) not in hidden]


def test_no_text_covers_another_or_leaves_the_picture(drawn) -> None:
    for name, figure in drawn:
        texts = drawn_texts(figure)
        for number, (text, box) in enumerate(texts):
            assert box.x0 >= -1 and box.y0 >= -1, (name, text)
            assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, (name, text)
            for other, rival in texts[number + 1 :]:
                assert not box.shrunk(0.98, 0.9).overlaps(rival), (name, text, other)


def test_axes_have_units_and_type_is_large_enough_at_half_width(drawn) -> None:
    units = ("(", "second", "MiB", "GiB", " s", "weight of", "rank")
    for _, figure in drawn:
        for axes in figure.axes:
            if axes.axison:
                assert any(unit in axes.get_xlabel() for unit in units), axes.get_xlabel()
        for text in figure.findobj(Text):
            assert not text.get_text() or text.get_fontsize() >= 11  # type: ignore[attr-defined]


def test_pictures_are_the_same_each_time_and_told_in_words(comparison) -> None:
    first, second = (plot_costs.epoch_time(comparison) for _ in range(2))
    assert first is not None and first == second
    assert "fft 14." in first.alt
    assert "<svg" in first.svg


def test_families_differ_in_shape_and_bars_in_hatching() -> None:
    assert len(set(plots.FAMILY_MARKERS.values())) == len(plots.FAMILY_MARKERS)
    assert len(set(plots.HATCHES)) == len(plots.HATCHES)
    looks = {
        (number % len(plots.COLOURS), number % len(plots.MARKERS), number % len(plots.DASHES)) for number in range(24)
    }
    assert len(looks) == 24


def test_crowded_labels_find_room() -> None:
    with plots.style():
        figure = Figure(figsize=(7.2, 5), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Axes = figure.add_subplot()
        points = [(0.5 + 0.002 * number, 0.5) for number in range(10)]
        axes.plot([0, 1], [0, 1])
        place_labels(axes, points, [f"method-{number}" for number in range(10)], ["black"] * 10)
        boxes = [box for text, box in drawn_texts(figure) if text.startswith("method")]
    assert len(boxes) == 10
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[n + 1 :])


def test_a_name_stands_nearest_to_its_own_point_or_has_a_line_to_it() -> None:
    rng = np.random.default_rng(0)
    for count in (2, 4, 8, 16):
        points = rng.uniform(0.4, 0.6, (count, 2))
        with plots.style():
            figure = Figure(figsize=(7.2, 5), layout="constrained")
            FigureCanvasAgg(figure)
            axes: Axes = figure.add_subplot()
            axes.set(xlim=(0, 1), ylim=(0, 1))
            place_labels(axes, [tuple(point) for point in points], [f"m{n}" for n in range(count)], ["black"] * count)
            boxes = {text: box for text, box in drawn_texts(figure) if text.startswith("m")}
        pixels = axes.transData.transform(points)
        led = {tuple(note.xy) for note in axes.texts if isinstance(note, Annotation) and note.arrow_patch}
        for number, point in enumerate(points):
            box = boxes[f"m{number}"]
            apart = np.hypot(*(pixels - np.clip(pixels, box.min, box.max)).T)
            assert apart.argmin() == number or tuple(point) in led


def test_a_method_has_one_colour_in_all_pictures(drawn: list[tuple[str, Figure]], comparison: Comparison) -> None:
    colours: dict[str, set[object]] = {}
    pictures = set()
    for name, figure in drawn:
        for line in (line for axes in figure.axes for line in axes.lines):
            if name in ("caching", "learning-curves", "weights-edges") and line.get_label() in comparison.drawn:
                colours.setdefault(str(line.get_label()), set()).add(line.get_color())
                pictures.add(name)
    assert pictures == {"caching", "learning-curves", "weights-edges"}
    assert set(colours) == set(comparison.drawn)
    assert all(len(seen) == 1 for seen in colours.values())


def test_the_demos_lines_differ_in_colour(make_record) -> None:
    """What has no time has no line, and takes no colour from those that have."""
    methods = (
        "fft",
        "adapter",
        "lora",
        "bitfit",
        "iisan",
        "iisan-cached",
        "frozen",
        "popularity",
        "random",
        "sasrec-id",
    )
    one = compare([Result(make_record(method)) for method in methods])[0]
    looks = plots.line_looks(one.drawn)
    assert not {"popularity", "random"} & set(looks)
    assert len({look["color"] for look in looks.values()}) == len(looks) == len(methods) - 2
