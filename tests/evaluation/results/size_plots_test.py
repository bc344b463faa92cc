import dataclasses
import sys

import pytest

from keras_gpt3.evaluation.results.size_plots import plot_sizes
from keras_gpt3.evaluation.results.size_plots import plot_tasks
from keras_gpt3.reporting.figures import PAPER_GREY
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result


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


@pytest.mark.parametrize("plot", [plot_sizes, plot_tasks])
def test_without_any_size_it_raises(plot):
    with pytest.raises(ValueError) as caught:
        plot([result(num_parameters=None)])
    assert str(caught.value) == (
        "A plot over sizes must have results whose num_parameters is known. "
        "Received: none. Give the results their model's count."
    )


@pytest.mark.parametrize("plot", [plot_sizes, plot_tasks])
def test_the_figure_over_sizes_is_saved_without_pyplot(
    plot, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot([result(metric="perplexity")], (), tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")


def test_parameters_are_shown_in_whole_decades():
    results = [result(task="my_task", num_parameters=n) for n in (10**7, 10**8)]
    axes = plot_sizes(results).axes[0]
    assert axes.get_xlim() == pytest.approx((1e7, 1e9))


# === Tasks in one panel ===


def sum_results():
    return [
        result(32, value, task=task, num_parameters=count)
        for task, count, value in (
            ("one_digit", 10**6, 0.75),
            ("one_digit", 10**5, 0.5),
            ("two_digits", 10**5, 0.25),
        )
    ]


def test_a_line_a_task_runs_over_rising_parameters_in_one_panel():
    titles = [dataclasses.replace(PIQA, name="one_digit", title="1D+")]
    figure = plot_tasks(sum_results(), titles)
    (axes,) = figure.axes
    drawn = {n.get_label(): n for n in axes.get_lines()}
    points = {label: n.get_xydata().tolist() for label, n in drawn.items()}
    assert points == {
        "1D+, K = 32": [[1e5, 50], [1e6, 75]],
        "two_digits, K = 32": [[1e5, 25]],
    }
    assert len({n.get_color() for n in drawn.values()}) == 2
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "Accuracy (%)"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == list(points)


def test_intervals_of_tasks_are_strokes():
    (axes,) = plot_tasks(sum_results()).axes
    strokes = [some.get_segments() for some in axes.collections]
    assert [len(some) for some in strokes] == [2, 1]
    assert strokes[1][0][:, 1] == pytest.approx([23, 27])


def test_tasks_of_several_metrics_raise():
    with pytest.raises(ValueError) as caught:
        plot_tasks([result(), result(metric="f1")])
    assert str(caught.value) == (
        "A plot of several tasks must have results of one metric. Received: "
        "metrics=['accuracy', 'f1']. Pass those of one."
    )
