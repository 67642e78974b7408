"""Pictures: drawn for every kind of comparison, with nothing over anything else, each axis with its unit."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from PIL import Image

from tpmebench.methods.registry import methods
from tpmebench.outside import is_outside
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights, tpme
from tpmebench.reports.figures import accuracy as plot_accuracy
from tpmebench.reports.figures import costs as plot_costs
from tpmebench.reports.figures import drawing as plots
from tpmebench.reports.figures.ends import spread
from tpmebench.reports.figures.labels import Label, place_labels
from tpmebench.reports.figures.looks import COLOURS, INK, MARKERS, SOFT, look, looks

sys.path.append(str(Path(__file__).parents[1]))

import gallery

Drawn = list[tuple[str, Figure]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    """The names and figures of every picture of the gallery's reports, by the report's name."""
    found: dict[str, Drawn] = {}
    for name, chosen in gallery.REPORTS.items():
        page, figures = gallery.unprinted(gallery.comparison(chosen(), tmp_path_factory.mktemp(name), seeds=2))
        assert page.failures() == []
        found[name] = list(zip((picture.name for picture in page.pictures()), figures, strict=True))
    return found


@pytest.fixture(scope="module")
def comparison(make_record, all_methods) -> Comparison:
    records = [make_record(method, seed=seed) for method in all_methods for seed in range(2)]
    records.append(make_record("lora", options={"r": 64, "alpha": 128}))
    return compare([Result(record) for record in records])[0]


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
                if not axes.axison or not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    hidden |= {id(tick.label1), id(tick.label2)}
        if not axes.axison:
            hidden |= {id(axes.xaxis.label), id(axes.yaxis.label)}
    found = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found if id(t) not in hidden]


@pytest.mark.parametrize("report", gallery.REPORTS)
def test_no_text_covers_another_or_leaves_the_picture(drawn: dict[str, Drawn], report: str) -> None:
    assert len(drawn[report]) >= (4 if report == "one" else 8)
    for name, figure in drawn[report]:
        texts = drawn_texts(figure)
        for number, (text, box) in enumerate(texts):
            assert box.x0 >= -1 and box.y0 >= -1, (name, text)
            assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, (name, text)
            for other, rival in texts[number + 1 :]:
                assert not box.shrunk(0.98, 0.9).overlaps(rival.shrunk(0.98, 0.9)), (name, text, other)


def test_names_of_points_stand_within_their_plot(drawn: dict[str, Drawn]) -> None:
    for report in ("eight", "twenty", "thirty", "long"):
        [figure] = [figure for name, figure in drawn[report] if name == "accuracy-costs"]
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        for axes in figure.axes:
            frame = axes.get_window_extent(renderer).padded(1)
            names = [text for text in axes.texts if text.get_text()]
            assert len(names) >= 7
            for text in names:
                box = text.get_window_extent(renderer)
                assert frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1), (report, text.get_text())


def test_axes_have_units_and_type_is_large_enough_at_half_width(drawn: dict[str, Drawn]) -> None:
    units = ("(", "second", "MiB", "GiB", " s", "weight of", "rank")
    for report, figures in drawn.items():
        for name, figure in figures:
            for axes in figure.axes:
                place = axes.get_subplotspec()
                lowest = place is None or place.is_last_row()
                if axes.axison and lowest:
                    assert any(unit in axes.get_xlabel() for unit in units), (report, name, axes.get_xlabel())
            for text in figure.findobj(Text):
                size = plots.TINY if text.get_text().isdigit() else plots.SMALL  # type: ignore[attr-defined]
                assert not text.get_text() or text.get_fontsize() >= size  # type: ignore[attr-defined]


def test_pictures_are_the_same_each_time_and_told_in_words(comparison: Comparison) -> None:
    first, second = (plot_costs.epoch_time(comparison) for _ in range(2))
    assert first is not None and first == second
    assert "fft 14." in first.alt
    assert "<svg" in first.svg


def test_a_picture_is_saved_in_the_formats_that_are_asked_for(make_record, tmp_path: Path) -> None:
    one = compare([Result(make_record("fft"))])[0]
    picture = plot_accuracy.accuracy_panels(one, pd.Series(dtype=float), "fft")
    assert picture is not None
    paths = picture.save(tmp_path, ("png", "svg", "pdf"))
    assert [path.name for path in paths] == ["accuracy-costs.png", "accuracy-costs.svg", "accuracy-costs.pdf"]
    starts = [path.read_bytes()[:5] for path in paths]
    assert starts == [b"\x89PNG\r", b"<?xml", b"%PDF-"]
    assert picture.pdf() == picture.pdf()
    assert Image.open(paths[0]).convert("RGB").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("colour", [one for family in COLOURS.values() for one in family])
def test_colours_can_be_seen_on_a_white_and_on_a_dark_page(colour: str) -> None:
    if colour != INK:  # which the page turns round
        assert contrast(colour, "#ffffff") >= 3 and contrast(colour, "#15181c") >= 3
    assert contrast(SOFT, "#ffffff") >= 4.5


def contrast(one: str, other: str) -> float:
    """As the WCAG define it."""
    parts = np.array([[int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)] for colour in (one, other)])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return (high + 0.05) / (low + 0.05)


def test_every_method_of_the_suite_has_a_look_of_its_own_and_families_differ_in_markers() -> None:
    own = {name: look(name, kind.family) for name, kind in methods().items() if not is_outside(name)}
    assert len(set(own.values())) == len(own) > 60
    markers = [marker for family in MARKERS.values() for marker in family]
    assert len(markers) == len(set(markers))
    assert all(one.marker in MARKERS[methods()[name].family] for name, one in own.items())


name_and_family = st.tuples(st.text("abc.:-", min_size=1, max_size=4), st.sampled_from(sorted(COLOURS)))


@given(st.lists(name_and_family, min_size=1, max_size=25), st.lists(name_and_family, max_size=25))
def test_a_method_has_one_colour_in_all_reports(some: list[tuple[str, str]], more: list[tuple[str, str]]) -> None:
    """Whatever else is in a report, and however many rows a method has; no two rows look the same."""
    family = dict(reversed([*some, *more]))
    rows = [[name for name, _ in some], [name for name, _ in (*more, *some)]]
    frames = [pd.DataFrame({"method": names, "family": [family[name] for name in names]}) for names in rows]
    found = [looks(frame) for frame in frames]
    for frame, known in zip(frames, found, strict=True):
        assert len(set(known.values())) == len(known)
        for label, method in frame["method"].items():
            assert known[str(label)].colour == look(method, family[method]).colour
            assert known[str(label)].colour in COLOURS[family[method]]


def test_a_method_has_one_look_in_all_pictures(drawn: dict[str, Drawn]) -> None:
    seen: dict[str, set[tuple[object, object]]] = {}
    pictures = set()
    for report in ("eight", "twenty"):
        for name, figure in drawn[report]:
            for line in (line for axes in figure.axes for line in axes.lines):
                if line.get_label() in gallery.TWENTY:
                    seen.setdefault(str(line.get_label()), set()).add((line.get_color(), line.get_marker()))
                    pictures.add(name)
    assert {"caching", "learning-curves", "weights-edges", "equal-time-hr-10"} <= pictures
    assert len(seen) >= 17
    assert all(len(of_method) == 1 for of_method in seen.values())


def test_the_demos_lines_differ_in_colour(make_record) -> None:
    names = ("fft", "adapter", "lora", "bitfit", "iisan", "iisan-cached", "frozen", "popularity", "random", "sasrec-id")
    one = compare([Result(make_record(method)) for method in names])[0]
    assert len({each.colour for each in looks(one.methods).values()}) == len(names)


def test_crowded_labels_find_room() -> None:
    with plots.style():
        figure = Figure(figsize=(7.2, 5), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1])
        place_labels(axes, [Label((0.5 + 0.002 * number, 0.5), f"method-{number}", INK) for number in range(10)])
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
            place_labels(axes, [Label(tuple(point), f"m{number}", INK) for number, point in enumerate(points)])
            boxes = {text: box for text, box in drawn_texts(figure) if text.startswith("m")}
        pixels = axes.transData.transform(points)
        led = {tuple(note.xy) for note in axes.texts if isinstance(note, Annotation) and note.arrow_patch}
        for number, point in enumerate(points):
            box = boxes[f"m{number}"]
            apart = np.hypot(*(pixels - np.clip(pixels, box.min, box.max)).T)
            assert apart.argmin() == number or tuple(point) in led


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 9)), min_size=1, max_size=12))
def test_names_at_the_ends_of_lines_keep_their_order_and_touch_at_most(ends: list[tuple[float, float]]) -> None:
    wanted, heights = np.array(ends).T
    middles = spread(wanted, heights, 0.0, 110.0)
    order = np.lexsort((middles, wanted))
    bottoms, tops = (middles - heights / 2)[order], (middles + heights / 2)[order]
    assert (bottoms[1:] >= tops[:-1] - 1e-6).all()
    assert bottoms[0] >= -1e-6 and tops[-1] <= 110 + 1e-6


def test_names_that_have_room_stand_beside_their_lines() -> None:
    assert spread(np.array([50.0, 10.0, 80.0]), np.full(3, 10.0), 0.0, 100.0).tolist() == [50.0, 10.0, 80.0]
    assert spread(np.array([50.0, 50.0]), np.full(2, 10.0), 0.0, 100.0).tolist() == [45.0, 55.0]


def test_the_plot_of_tpme_is_there_when_there_is_a_score(make_record) -> None:
    one = compare([Result(make_record(method)) for method in ("fft", "lora", "iisan")])[0]
    scores = tpme(one.ranked, CostWeights())["tpme"]
    for known, count in ((scores, 4), (scores.iloc[:0], 3)):
        picture = plot_accuracy.accuracy_panels(one, known, "fft")
        assert picture is not None and picture.alt.count(":") == count + 1


def test_a_name_that_is_cut_beside_its_point_is_a_number_with_the_whole_name_beneath():
    """Rows of one method differ at the ends of their names, which cutting would leave alike."""
    long = "hybrid-cached (side=False, trained=0)"
    names = plot_accuracy.Names({long: 2, "lora": 3, "fft": 1}, frozenset({"fft"}))
    assert names.of(long, front=True) == "2" and plots.written(long) == long
    assert [names.of("lora", front) for front in (True, False)] == ["lora", "3"]
    assert names.of("fft", front=False) == "fft"
    assert plot_accuracy.Names({}, frozenset()).of(long, front=True).startswith("hybrid-cac")
