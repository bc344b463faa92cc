import sys

import pytest
from matplotlib.figure import Figure

from keras_gpt3.evaluation.results.plots import line_labels
from keras_gpt3.evaluation.results.plots import plot_shots
from keras_gpt3.evaluation.results.plots import plot_sizes
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


def test_the_figure_is_saved_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot_shots([result(), result(4)], [PIQA], tmp_path / "shots.png")
    assert (tmp_path / "shots.png").read_bytes().startswith(b"\x89PNG")


# === Size plot ===


def measured(axes):
    return {
        line.get_label(): line.get_xydata().tolist()
        for line in axes.get_lines()
        if not isinstance(line.get_color(), str)
    }


def test_a_line_a_k_runs_over_rising_parameters_in_percent():
    results = [
        result(shots, value, num_parameters=count)
        for shots, value, count in (
            (4, 0.75, 10**8),
            (4, 0.625, 10**7),
            (0, 0.5, 10**7),
        )
    ]
    axes = plot_sizes(results).axes[0]
    assert measured(axes) == {
        "measured, K = 0": [[1e7, 50]],
        "measured, K = 4": [[1e7, 62.5], [1e8, 75]],
    }
    assert axes.get_xscale() == "log"
    segments = axes.collections[0].get_segments()
    assert segments[0][:, 1] == pytest.approx([48, 52])


def test_the_paper_s_settings_are_grey_and_told_by_their_dashes():
    axes = plot_sizes([result()], [PIQA]).axes[0]
    paper = [n for n in axes.get_lines() if n.get_label().startswith("GPT-3")]
    assert {line.get_color() for line in paper} == {PAPER_GREY}
    assert [line.get_linestyle() for line in paper] == [":", "--", "-"]
    assert paper[-1].get_label() == "GPT-3 of the paper, few-shot"
    points = paper[-1].get_xydata()
    assert points[-1].tolist() == [174.6e9, pytest.approx(82.3)]
    label = "Parameters (few-shot of the paper: K = 50)"
    assert axes.get_xlabel() == label


def test_a_task_that_the_paper_has_not_stands_alone_over_sizes():
    axes = plot_sizes([result(task="my_task")]).axes[0]
    assert len(axes.get_lines()) == 1
    assert axes.get_xlabel() == "Parameters"


def test_results_without_a_size_are_left_out():
    results = [result(), result(4, task="other", num_parameters=None)]
    assert len(plot_sizes(results).axes) == 1


def test_models_of_one_size_have_marks_with_names_and_no_line():
    results = [result(k, model=m) for k in (0, 4) for m in ("/a/b/c", "x")]
    figure = plot_sizes(results)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[3:] == ["measured, K = 0", "measured, K = 4", "b/c", "x"]
    drawn = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert drawn["measured, K = 0"].get_linestyle() == "None"
    assert drawn["b/c"].get_marker() != drawn["x"].get_marker()
    marked = [
        line.get_marker()
        for line in figure.axes[0].get_lines()
        if line.get_label().startswith("_") and len(line.get_xdata())
    ]
    assert marked == [drawn[m].get_marker() for m in ("b/c", "x")] * 2
    # Side by side, about their size.
    left, right = drawn["measured, K = 0"].get_xdata()
    assert left < 1e7 < right < 2 * left


def test_models_of_several_sizes_are_joined():
    results = [
        result(model=f"m{count}", num_parameters=count)
        for count in (10**7, 10**8)
    ]
    lines = plot_sizes(results).axes[0].get_lines()
    (joined,) = [n for n in lines if n.get_label() == "measured, K = 0"]
    assert joined.get_linestyle() == "-"


def test_a_panel_of_zeros_is_scaled_to_what_can_be_read():
    zeros = [result(k, 0.0, task="a", interval=(0.0, 0.0)) for k in (0, 4)]
    (axes,) = plot_sizes(zeros).axes
    assert axes.get_ylim() == pytest.approx((-0.4, 10))
    one, other = axes.get_lines()
    assert one.get_markersize() > other.get_markersize()


def test_without_any_size_it_raises():
    with pytest.raises(ValueError) as caught:
        plot_sizes([result(num_parameters=None)])
    assert str(caught.value) == (
        "A plot over sizes must have results whose num_parameters is known. "
        "Received: none. Give the results their model's count."
    )


def test_the_figure_over_sizes_is_saved_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot_sizes([result(metric="perplexity")], (), tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")


def test_parameters_are_shown_in_whole_decades():
    results = [result(task="my_task", num_parameters=n) for n in (10**7, 10**8)]
    axes = plot_sizes(results).axes[0]
    assert axes.get_xlim() == pytest.approx((1e7, 1e9))
