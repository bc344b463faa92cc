import pytest

from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination_report import (
    plot_contamination,
)
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)


def result(dirty, clean):
    """Of examples with these scores."""
    is_dirty = (True,) * len(dirty) + (False,) * len(clean)
    found = Contamination(8, is_dirty, (False,) * len(is_dirty))
    return found, contamination_scores(found, dirty + clean)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_each_set_is_a_point_with_its_interval_and_name(tmp_path):
    results = {
        "quiz": result([1.0] * 30, [1.0, 0.0] * 35),
        "nothing clean": result([1.0], []),
    }
    figure = plot_contamination(results, tmp_path / "plot.png")
    (axes,) = figure.axes
    _, interval, point = axes.lines
    # 70 of 100 are clean; 0.5 / 0.65 - 1.
    assert point.get_xdata()[0] == pytest.approx(70)
    assert point.get_ydata()[0] == pytest.approx(-23.08, abs=0.01)
    low, high = interval.get_ydata()
    assert low < -23.08 < high < 0
    assert texts(figure)[0] == "quiz"
    assert "nothing clean" not in texts(figure)
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_of_many_sets_those_that_change_are_named():
    results = {f"same {i}": result([1.0], [1.0] * i) for i in range(1, 11)}
    results["different"] = result([0.0], [1.0])
    assert texts(plot_contamination(results))[0] == "different"
    assert not any(
        "same" in text for text in texts(plot_contamination(results))
    )


def test_nothing_to_draw_raises():
    with pytest.raises(ValueError, match="Received: no set with a change "):
        plot_contamination({"all dirty": result([1.0], [])})
