"""What pictures draw, read off their figures: points, bars, lines and limits against the records."""

import sys
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import PRESETS
from tpmebench.reports.figures.learning import learning_curves, mean_curve
from tpmebench.reports.records import Record

sys.path.append(str(Path(__file__).parents[1]))

import gallery

METHODS = ("fft", "lora", "bitfit", "iisan", "iisan-cached", "popularity", "sasrec-id")
SEEDS = 2


@pytest.fixture(scope="module")
def records(make_record) -> dict[str, list[Record]]:
    return {method: [make_record(method, seed=seed) for seed in range(SEEDS)] for method in METHODS}


@pytest.fixture(scope="module")
def figures(records) -> dict[str, Figure]:
    """The figures of a whole page, by the names of their pictures."""
    [one] = compare([Result(record) for own in records.values() for record in own])
    page, found = gallery.unprinted(one)
    assert page.failures() == []
    return dict(zip((picture.name for picture in page.pictures()), found, strict=True))


def accuracy(own: list[Record]) -> float:
    return mean(record.accuracy.test.metrics["HR@10"] for record in own if record.accuracy)


def seconds(own: list[Record]) -> float:
    return mean(mean(epoch.total for epoch in record.time.epochs[1:]) for record in own)


COST = {
    "time": seconds,
    "parameters": lambda own: mean(record.parameters.trainable for record in own),
    "memory": lambda own: mean(record.memory.peak for record in own),
}
UNITS = {"s an epoch": 1.0, "in thousand": 1e3, "in million": 1e6, "MiB": 2.0**20, "GiB": 2.0**30}


def costs(records: dict[str, list[Record]], name: str) -> dict[str, float]:
    return {method: COST[name](own) for method, own in records.items() if own[0].time.epochs}


def unit(axes: Axes) -> float:
    """The size of the unit that an axis names."""
    [scale] = [scale for name, scale in UNITS.items() if name in axes.get_xlabel()]
    return scale


def scores(records: dict[str, list[Record]]) -> dict[str, list[float]]:
    """TPME's weighted parts by hand."""
    ranked = [method for method in records if method not in ("popularity", "sasrec-id")]
    parts: dict[str, list[float]] = {method: [] for method in ranked}
    for name, weight in (("time", 0.45), ("parameters", 0.10), ("memory", 0.45)):
        values = costs(records, name)
        low, high = (bound(values[method] for method in ranked) for bound in (min, max))
        for method in ranked:
            parts[method].append(weight * (values[method] - low) / (high - low))
    return parts


def points(axes: Axes) -> dict[tuple[float, float], bool]:
    """Where markers stand, and whether each stands in front, as those on the Pareto front do."""
    lines = [container.lines[0] for container in axes.containers if isinstance(container, ErrorbarContainer)]
    places = [tuple(np.asarray(line.get_xydata())[0].tolist()) for line in lines]
    return dict(zip(places, [line.get_zorder() > 4 for line in lines], strict=True))


def line(axes: Axes, label: str) -> np.ndarray:
    [found] = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(found.get_xydata())


def bars(axes: Axes) -> dict[str, list[float]]:
    """Row → the lengths of its bars, each of which begins where the one before it ends."""
    rows = [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()]
    found: dict[str, list[float]] = {row: [] for row in rows}
    for container in axes.containers:
        assert isinstance(container, BarContainer)
        for row, bar in zip(rows, container.patches, strict=True):
            assert bar.get_x() == pytest.approx(sum(found[row]))
            found[row].append(bar.get_width())
    return found


@pytest.mark.parametrize(("place", "name"), enumerate([*COST, "tpme"]))
def test_accuracy_against_cost_has_every_method_and_the_front_of_the_cheap_and_good(
    records, figures, place, name
) -> None:
    """The front is steps: level from each method until the next, and from the last to the edge."""
    axes = figures["accuracy-costs"].axes[place]
    if name == "tpme":
        known = {method: sum(parts) for method, parts in scores(records).items()}
    else:
        known = {method: cost / unit(axes) for method, cost in costs(records, name).items()}
    expected = {method: (cost, accuracy(records[method])) for method, cost in known.items()}
    front = [
        (cost, gain)
        for cost, gain in sorted(expected.values())
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in expected.values())
    ]
    found = points(axes)
    assert np.array(sorted(found)) == pytest.approx(np.array(sorted(expected.values())))
    assert np.array(sorted(point for point, leads in found.items() if leads)) == pytest.approx(np.array(front))
    [drawn] = [line for line in axes.get_lines() if line.get_label() == "Pareto front"]
    assert drawn.get_drawstyle() == "steps-post"
    steps = [*front, (axes.get_xlim()[1], front[-1][1])]
    assert np.asarray(drawn.get_xydata()) == pytest.approx(np.array(steps))
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim() == figures["accuracy-costs"].axes[0].get_ylim()
    assert axes.get_xscale() == ("linear" if name == "tpme" else "log")
    assert {text.get_text() for text in axes.texts} - {""} == set(expected)
    across = [np.asarray(line.get_xydata()) for line in axes.get_lines() if len(line.get_xydata()) == 2]
    assert [accuracy(records["popularity"])] * 2 in [line[:, 1].tolist() for line in across]


def test_error_bars_are_the_deviation_over_seeds(records, figures) -> None:
    axes = figures["accuracy-costs"].axes[0]
    drawn = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        marker, _, [bar] = container.lines
        low, high = np.asarray(bar.get_segments())[0, :, 1]
        drawn[round(float(np.asarray(marker.get_xdata())[0]), 6)] = high - low
    for method in ("fft", "lora", "sasrec-id"):
        values = [record.accuracy.test.metrics["HR@10"] for record in records[method]]
        assert drawn[round(seconds(records[method]), 6)] == pytest.approx(2 * np.std(values, ddof=1))


def test_bars_are_the_parts_of_tpme_best_first(records, figures) -> None:
    axes, raw = figures["tpme-parts"].axes
    parts = scores(records)
    drawn = bars(axes)
    assert list(drawn) == sorted(parts, key=lambda method: sum(parts[method]))
    assert axes.yaxis_inverted()
    for method, own in parts.items():
        assert drawn[method] == pytest.approx(own)
    assert [text.get_text() for text in axes.texts] == [f"{sum(parts[method]):.3f}" for method in drawn]
    heads = ["time\ns", "parameters\nmillion", "memory\nGiB"]
    columns = []
    for head, cost, scale in zip(heads, COST, (1, 1e6, 2**30), strict=True):
        values = [costs(records, cost)[method] / scale for method in drawn]
        columns += [head, *(f"{value:,.{max(2 - int(np.floor(np.log10(value))), 0)}f}" for value in values)]
    assert [text.get_text() for text in raw.texts] == columns


def test_bars_are_the_phases_of_an_epoch(records, figures) -> None:
    [axes] = figures["epoch-time"].axes
    drawn = bars(axes)
    assert set(drawn) == set(METHODS) - {"popularity"}
    for method, parts in drawn.items():
        for phase, length in zip(("data", "forward", "backward", "update"), parts, strict=True):
            epochs = [mean(getattr(e, phase) for e in record.time.epochs[1:]) for record in records[method]]
            assert length == pytest.approx(mean(epochs))
    _, handles = axes.get_legend_handles_labels()
    assert handles == ["data", "forward", "backward", "update"]


def test_bars_and_points_are_peaks_of_memory(records, figures) -> None:
    [axes] = figures["memory-kinds"].axes
    drawn, scale = bars(axes), unit(axes)
    for method in set(METHODS) - {"popularity"}:
        kinds = records[method][0].memory.kinds
        assert drawn[method] == pytest.approx([amount / scale for amount in kinds.values()])
    [axes] = figures["memory-phases"].axes
    rows = [text.get_text() for text in axes.get_yticklabels()]
    assert axes.get_ylim() == (len(rows) - 0.5, -0.5)
    clouds = {str(cloud.get_label()): cloud for cloud in axes.collections if isinstance(cloud, PathCollection)}
    assert set(clouds) == {"training", "evaluation"}, "nothing else was measured"
    for phase, cloud in clouds.items():
        for value, row in np.asarray(cloud.get_offsets()):
            measured = getattr(records[rows[int(row)]][0].memory, phase)
            assert value == pytest.approx(measured.tensors / unit(axes))


def test_learning_curves_are_means_over_seeds_by_epoch_and_by_seconds_with_the_build(records, figures) -> None:
    times, epochs = figures["learning-curves"].axes
    assert times.get_xscale() == "log"
    lines = [line for line in epochs.get_lines() if line.get_label() in METHODS]
    assert {str(line.get_label()) for line in lines} == set(METHODS) - {"popularity"}
    for number, drawn in enumerate(lines):
        own = records[str(drawn.get_label())]
        valid = np.mean([[epoch.valid["HR@10"] for epoch in record.time.epochs] for record in own], axis=0)
        spent = np.mean([np.cumsum([epoch.total for epoch in record.time.epochs]) for record in own], axis=0)
        expected = np.column_stack([np.arange(1, len(valid) + 1), valid])
        assert np.asarray(drawn.get_xydata()) == pytest.approx(expected)
        other = np.asarray(times.get_lines()[number].get_xydata())
        assert other == pytest.approx(np.column_stack([spent + (own[0].time.cache_build or 0.0), valid]))


@pytest.mark.parametrize(("lengths", "drawn", "said"), [((5, 5), 5, False), ((5, 7), 7, True), ((4, 5, 7), 5, True)])
def test_a_caption_says_where_a_learning_curve_goes_on_without_some_seeds(make_record, lengths, drawn, said) -> None:
    """It is drawn while at least half of them go on."""
    records = [make_record("lora", seed=seed, epochs=epochs) for seed, epochs in enumerate(lengths)]
    [one] = compare([Result(record) for record in records])
    curve, picture = mean_curve(one, "lora"), learning_curves(one)
    assert curve is not None and list(curve["epoch"]) == list(range(1, drawn + 1))
    assert picture is not None and ("the mean of the others" in picture.caption) == said


def test_bands_of_learning_curves_are_intervals_over_seeds(records, figures) -> None:
    """Student's t of two seeds: 12.706 times the error of their mean."""
    epochs = figures["learning-curves"].axes[1]
    lines = [str(line.get_label()) for line in epochs.get_lines() if line.get_label() in METHODS]
    bands = [band for band in epochs.collections if isinstance(band, PolyCollection)]
    for label, band in zip(lines, bands, strict=True):
        values = np.array([[epoch.valid["HR@10"] for epoch in record.time.epochs] for record in records[label]])
        half = 12.706 * np.abs(values[0] - values[1]) / 2
        corners = np.asarray(band.get_paths()[0].vertices)
        for epoch, mean_of, by in zip(range(1, values.shape[1] + 1), values.mean(axis=0), half, strict=True):
            own = corners[np.isclose(corners[:, 0], epoch), 1]
            if by > 1e-12:
                assert own.min() == pytest.approx(mean_of - by, rel=1e-3)
                assert own.max() == pytest.approx(mean_of + by, rel=1e-3)


def test_a_cached_method_starts_with_its_build_and_its_break_evens_are_ringed(records, figures) -> None:
    """By hand: 21.5 s of building are paid back after 21.5 / (other − cached) epochs, when both took as long."""
    [axes] = figures["caching"].axes
    cached, others = "iisan-cached", ("iisan", "fft", "lora", "bitfit")
    named = {str(line.get_label()) for line in axes.get_lines() if not str(line.get_label()).startswith("_")}
    assert named == {cached, *others, "break-even"}
    for method in (cached, *others):
        drawn = line(axes, method)
        build = 21.5 if method == cached else 0.0
        assert drawn[:, 1] == pytest.approx(build + drawn[:, 0] * seconds(records[method]))
    rings = {method: 21.5 / (seconds(records[method]) - seconds(records[cached])) for method in others}
    expected = sorted((epochs, epochs * seconds(records[method])) for method, epochs in rings.items())
    assert np.array(sorted(line(axes, "break-even").tolist())) == pytest.approx(np.array(expected))
    whole = {f"epoch {int(np.ceil(epochs))}" for epochs in rings.values()}
    assert {text.get_text() for text in axes.texts} - {"", cached, *others} == whole
    assert axes.get_xlim()[0] < 1 < max(rings.values()) < axes.get_xlim()[1]


def test_the_triangle_of_weights_shows_who_wins_and_the_presets(records, figures) -> None:
    """Corners: all weight on time left, on memory right, on parameters on top; a winner's area is where it is least."""
    axes = figures["weights"].axes[0]
    corners = np.array([[0, 0], [0.5, 0.75**0.5], [1, 0]])
    marks = [np.asarray(line.get_xydata())[0] for line in axes.get_lines() if len(np.asarray(line.get_xydata()))]
    assert np.array(marks) == pytest.approx(np.array([choice.array() @ corners for choice in PRESETS.values()]))
    *areas, frame = [patch for patch in axes.patches if isinstance(patch, Polygon)]
    assert frame.get_xy()[:3] == pytest.approx(corners)
    legend = figures["weights"].legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    parts = {method: np.array(own) / (0.45, 0.10, 0.45) for method, own in scores(records).items()}
    for area, winner in zip(areas, names, strict=False):
        inside = area.get_xy()[:-1].mean(axis=0)
        weights = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), np.append(inside, 1.0))
        assert min(parts, key=lambda method: parts[method] @ weights) == winner
    assert len(names) == len(areas) + len(PRESETS)


def test_ranks_go_once_round_the_weights_and_have_the_best_on_top(records, figures) -> None:
    parts = {method: np.array(own) / (0.45, 0.10, 0.45) for method, own in scores(records).items()}
    [axes] = figures["weights-edges"].axes
    assert axes.get_ylim() == (len(parts) + 0.5, 0.5)
    lines = {str(line.get_label()): line for line in axes.get_lines() if line.get_label() in parts}
    assert set(lines) == set(parts)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        f"all on\n{cost}" for cost in ("time", "parameters", "memory", "time")
    ]
    for corner, cost in enumerate((0, 1, 2, 0)):
        for name, drawn in lines.items():
            xs, ys = np.asarray(drawn.get_xydata()).T
            better = sum(round(other[cost], 9) < round(parts[name][cost], 9) for other in parts.values())
            assert set(ys[np.isclose(xs, corner)]) == {1 + better}
