import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from keras_gpt3.reporting.figures import Curve
from keras_gpt3.reporting.figures import Panel
from keras_gpt3.reporting.figures import drawn_points
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import moving_average
from keras_gpt3.reporting.figures import noisy_curve
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import plot_panels
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import trailing_average


def test_a_figure_is_saved_as_sharp_as_all(tmp_path):
    figure = Figure(figsize=(2, 1))
    assert save_figure(figure, tmp_path / "a.png") is figure
    assert imread(tmp_path / "a.png").shape[:2] == (150, 300)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_no_path_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_figure(Figure(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_drawn_leaves_the_earlier_one(tmp_path):
    (tmp_path / "a.png").write_bytes(b"earlier")
    figure = Figure()
    figure.text(0.5, 0.5, "$\\frac{$")  # No formula.
    with pytest.raises(ValueError, match="ParseException|Expected"):
        save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_letters_that_the_font_does_not_have_are_no_warning(tmp_path):
    figure = Figure()
    figure.text(0.5, 0.5, "\u4f60")
    save_figure(figure, tmp_path / "a.png")


@pytest.mark.parametrize("count, rows", [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_panels_stand_three_in_a_row(count, rows):
    figure, panels = open_panels(count, (2, 1))
    assert figure.axes == panels and len(panels) == count
    spec = figure.axes[0].get_gridspec()
    assert (spec.nrows, spec.ncols) == (rows, min(count, 3))


def test_the_legend_names_each_label_once():
    figure = Figure()
    for axes in figure.subplots(1, 2):
        axes.plot([0, 1], label="a")
        axes.plot([0, 1], label="b")
    legend_below(figure)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["a", "b"]


def test_without_labels_there_is_no_legend():
    figure = Figure()
    figure.subplots().plot([0, 1])
    legend_below(figure)
    assert figure.legends == []


def test_panels_share_their_axis_and_no_legend_covers_a_curve():
    x = np.arange(1.0, 4.0)
    panels = (
        Panel("Loss", noisy_curve(x, 9 - x, "training"), height=2),
        Panel("Norm", (Curve(x, x),), "log", events=(2.0,), events_label="e"),
        Panel("Rate", (Curve(x, 5 + x),), from_zero=True),
    )
    figure = plot_panels(panels, "Steps", "log")
    figure.draw_without_rendering()
    loss, norm, rate = figure.axes
    assert [a.get_ylabel() for a in figure.axes] == ["Loss", "Norm", "Rate"]
    assert (rate.get_xlabel(), rate.get_xscale()) == ("Steps", "log")
    assert norm.get_yscale() == "log" and rate.get_ylim()[0] == 0
    pale, smooth = (float(line.get_color()) for line in loss.get_lines())
    assert pale > smooth
    assert norm.get_lines()[1].get_xdata().tolist() == [2.0]
    for axes in (loss, norm):
        legend = axes.get_legend().get_window_extent()
        assert legend.y0 >= axes.get_window_extent().y1
    assert rate.get_legend() is None


# === Numbers ===


@pytest.mark.parametrize("average", [moving_average, trailing_average])
def test_an_average_is_over_the_known_values_of_its_window(average):
    values = np.random.default_rng(0).normal(size=200)
    values[[0, 7, 199, *range(50, 70)]] = np.nan
    expected = []
    for i in range(200):
        before, after = (min(5, i),) * 2
        if average is trailing_average:
            before, after = 9, 0
        window = values[max(0, i - before) : i + after + 1]
        known = window[~np.isnan(window)]
        expected.append(known.mean() if len(known) else math.nan)
    # Differences of running sums of 200 numbers of order 1.
    np.testing.assert_allclose(
        average(values), expected, rtol=1e-12, atol=1e-13
    )


def test_the_moving_average_does_not_bend_towards_the_last_value():
    values = np.zeros(200)
    values[-1] = 60.0
    smooth = moving_average(values)
    assert smooth[-1] == pytest.approx(60 / 6)
    assert np.abs(np.diff(smooth)).max() < 60 / 10


def test_of_few_values_each_is_its_own_average():
    assert moving_average([3.0, 1.0, 2.0]).tolist() == [3, 1, 2]
    assert moving_average([]).tolist() == []


def slow_extremes(values, size):
    """First and last, and of each piece the first of both extremes."""
    kept = {0, len(values) - 1}
    for start in range(0, len(values), size):
        piece = values[start : start + size].tolist()
        known = [v for v in piece if not math.isnan(v)]
        for extreme in (min(known), max(known)) if known else ():
            kept.add(start + piece.index(extreme))
    return sorted(kept)


@pytest.mark.parametrize(
    "count, num_pieces, size", [(41, 4, 11), (64, 8, 8), (65, 8, 9), (5, 1, 5)]
)
def test_the_drawn_points_are_extremes_of_pieces(count, num_pieces, size):
    values = np.random.default_rng(count).normal(size=count)
    values[3:6] = np.nan
    points = drawn_points(values, num_pieces)
    assert points.tolist() == slow_extremes(values, size)
    assert len(points) <= 2 * num_pieces + 2


def test_a_piece_of_gaps_stays_a_gap():
    values = np.arange(40.0)
    values[10:20] = np.nan
    points = drawn_points(values, 4)
    assert points.tolist() == [0, 9, 10, 20, 29, 30, 39]


def test_few_points_are_all_drawn():
    assert drawn_points(np.ones(6), 2).tolist() == list(range(6))
