import sys

import pytest
from matplotlib.figure import Figure

from keras_gpt3.evaluation.results.plots import line_labels
from keras_gpt3.evaluation.results.plots import plot_shots
from keras_gpt3.evaluation.results.plots import scale_scores
from keras_gpt3.evaluation.results.plots import stroke
from keras_gpt3.evaluation.results.plots import task_panels
from keras_gpt3.reporting.figures import PAPER_GREY
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result

# === Plot panels ===


def test_each_task_and_metric_has_a_panel_with_its_title():
    results = [result(), result(task="mine"), result(metric="f1"), result(1)]
    figure, panels = task_panels(results, [PIQA])
    keys = [("piqa", "accuracy"), ("mine", "accuracy"), ("piqa", "f1")]
    assert list(panels) == keys
    assert figure.axes == list(panels.values())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["PIQA", "mine", "PIQA"]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Accuracy (%)", "Accuracy (%)", "F1 (%)"]


def test_guessing_is_drawn_where_it_is_known_and_of_the_metric():
    results = [result(), result(task="mine"), result(metric="f1")]
    _, panels = task_panels(results, [PIQA])
    lines = [axes.get_lines() for axes in panels.values()]
    assert [len(found) for found in lines] == [1, 0, 0]
    assert set(lines[0][0].get_ydata()) == {50}


@pytest.mark.parametrize(("value", "top"), [(0, 10), (3, 10), (80, 84)])
def test_scores_are_scaled_from_0_to_what_can_be_read(value, top):
    axes = Figure().subplots()
    axes.plot([0, 1], [0, value])
    scale_scores(axes, "accuracy")
    # A mark at 0 is whole.
    assert axes.get_ylim() == pytest.approx((-0.04 * top, top))


def test_perplexity_is_logarithmic():
    axes = Figure().subplots()
    axes.plot([0, 1], [20, 30])
    scale_scores(axes, "perplexity")
    assert axes.get_yscale() == "log"


def test_a_curve_is_seen_below_the_next():
    strokes = [stroke(number, 3) for number in range(3)]
    for one, other in zip(strokes, strokes[1:], strict=False):
        assert all(one[key] > other[key] for key in one)
    assert stroke(0, 20) == stroke(0, 4)


def test_without_results_it_raises():
    with pytest.raises(ValueError) as caught:
        task_panels([], ())
    assert str(caught.value) == (
        "A plot must have results to show. Received: results=[]. Evaluate a "
        "model first."
    )


# === Shots plot ===


METRICS = {"quac": "quac_f1", "drop": "drop_f1", "piqa": "accuracy"}
METRICS["anagrams_1"] = "exact_match"


def lines(axes, grey):
    return [
        line
        for line in axes.get_lines()
        if (line.get_color() == PAPER_GREY) is grey
    ]


def test_a_model_s_line_runs_over_rising_k_in_percent():
    results = [result(4, 0.75), result(0, 0.5), result(1, 0.625)]
    axes = plot_shots(results).axes[0]
    (line,) = lines(axes, grey=False)
    assert line.get_xydata().tolist() == [[0, 50], [1, 62.5], [4, 75]]
    assert line.get_label() == "mine"


def test_the_interval_is_a_band_or_of_one_k_a_line():
    band = plot_shots([result(0, 0.5), result(4, 0.75)]).axes[0].collections[0]
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((48, 77))
    stroke = plot_shots([result(4, 0.75)]).axes[0].collections[0]
    assert stroke.get_segments()[0][:, 1] == pytest.approx([73, 77])


def test_the_paper_s_eight_sizes_stand_beside_in_grey():
    axes = plot_shots([result(0, 0.5), result(4, 0.75)]).axes[0]
    paper = lines(axes, grey=True)
    assert len(paper) == 8
    assert paper[-1].get_xydata().tolist() == [
        [0, pytest.approx(81.0)],
        [1, pytest.approx(80.5)],
        [50, pytest.approx(82.3)],
    ]
    assert [text.get_text() for text in axes.texts] == ["125M", "175B"]


@pytest.mark.parametrize("shots", [5, 20, 50, 100])
def test_labels_at_the_ends_of_curves_stay_in_their_panel(shots):
    task = {5: "quac", 20: "drop", 50: "piqa", 100: "anagrams_1"}[shots]
    results = [result(k, task=task, metric=METRICS[task]) for k in (0, 1)]
    others = [result(task=f"task {number}") for number in range(2)]
    figure = plot_shots([*results, *others])
    figure.canvas.draw()
    axes = figure.axes[0]
    right = axes.get_window_extent().x1
    assert len(axes.texts) == 2
    for text in axes.texts:
        assert text.xy[0] == shots
        assert text.get_window_extent().x1 < right


def test_a_task_that_the_paper_has_not_stands_alone():
    results = [result(k, task="my_task") for k in (0, 4)]
    axes = plot_shots(results).axes[0]
    assert lines(axes, grey=True) == []
    assert list(axes.get_xticks()) == [0, 4]


def test_k_is_logarithmic_with_0_and_no_tick_over_another():
    results = [result(k) for k in (0, 1, 2, 32, 64)]
    axes = plot_shots(results).axes[0]
    assert axes.get_xscale() == "symlog"
    # 64 is too near to the paper's 50.
    assert list(axes.get_xticks()) == [0, 1, 2, 32, 50]
    assert axes.get_xlim()[0] < 0 < 64 < axes.get_xlim()[1]


def test_perplexity_over_shots_is_logarithmic():
    results = [result(k, 20.0, metric="perplexity") for k in (0, 4)]
    axes = plot_shots(results).axes[0]
    assert axes.get_yscale() == "log"
    assert lines(axes, grey=False)[0].get_ydata().tolist() == [20, 20]


def test_models_that_coincide_are_both_seen():
    results = [result(k, 0.0, model=m) for m in ("/a/b/c", "x") for k in (0, 1)]
    axes = plot_shots([r for r in results]).axes[0]
    below, above = lines(axes, grey=False)
    assert [below.get_label(), above.get_label()] == ["b/c", "x"]
    assert below.get_linewidth() > above.get_linewidth()
    assert axes.get_ylim()[1] >= 10


def test_seeds_are_told_apart_where_a_model_has_several():
    results = [result(), result(seed=1), result(model="other", seed=1)]
    assert line_labels(results) == {
        ("mine", 0): "mine, seed 0",
        ("mine", 1): "mine, seed 1",
        ("other", 1): "other",
    }
    (axes,) = plot_shots(results).axes
    assert len(lines(axes, grey=False)) == 3


def test_without_description_a_line_is_dashed_in_the_colour_of_its_model():
    results = [
        result(shots, value, task=task, model=model)
        for model in ("small", "large")
        for task, value in (("piqa", 0.75), ("bare", 0.5))
        for shots in (4, 0)
    ]
    figure = plot_shots(results, [PIQA], undescribed={"bare": "piqa"})
    (axes,) = figure.axes
    assert axes.get_title() == "PIQA"
    drawn = [n for n in lines(axes, grey=False) if len(n.get_xdata()) == 2]
    models = [n for n in drawn if n.get_marker() == "o"]
    solid, dashed = models[::2], models[1::2]
    assert [n.get_linestyle() for n in solid] == ["-", "-"]
    assert [n.get_linestyle() for n in dashed] == ["--", "--"]
    for one, other in zip(solid, dashed, strict=True):
        assert one.get_color() == other.get_color()
        assert one.get_xydata().tolist() == [[0, 75], [4, 75]]
        assert other.get_xydata().tolist() == [[0, 50], [4, 50]]
    # Bands are of solid lines only.
    assert len(axes.collections) == 2
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts.count("no task description") == 1
    assert {"small", "large"} < set(texts)


def test_prompts_without_description_alone_have_a_panel():
    (axes,) = plot_shots([result(task="bare")], (), None, {"bare": "x"}).axes
    assert axes.get_title() == "x"


def test_the_figure_is_saved_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot_shots([result(), result(4)], [PIQA], tmp_path / "shots.png")
    assert (tmp_path / "shots.png").read_bytes().startswith(b"\x89PNG")
