import pytest
from matplotlib.figure import Figure

from keras_gpt3.evaluation.results.plots import scale_scores
from keras_gpt3.evaluation.results.plots import stroke
from keras_gpt3.evaluation.results.plots import task_panels
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result


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
