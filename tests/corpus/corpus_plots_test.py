import matplotlib.image
import pytest

from keras_gpt3.corpus.report import plot_cluster_sizes
from keras_gpt3.corpus.report import plot_lengths
from keras_gpt3.corpus.report import plot_scores
from keras_gpt3.corpus.report import plot_stages
from keras_gpt3.reporting.figures import save_figure

COUNTS = {"documents_in": 9, "documents_out": 7, "dropped": {"short": 2}}


@pytest.mark.parametrize(
    ("plot", "shown", "other"),
    [
        (
            plot_stages,
            {"read": {"all": COUNTS}},
            {"read": {"all": COUNTS | {"dropped": {"short": 3}}}},
        ),
        (plot_scores, {"0.05": 3, "0.9": 5, "1": 1}, {"0.05": 3}),
        (plot_cluster_sizes, {"2": 40, "16": 3}, {"2": 40}),
        (
            plot_lengths,
            {"read": {"0": 2, "512": 3, "1024": 9}, "dedup": {"512": 1}},
            {"read": {"0": 2, "512": 3, "1024": 9}, "dedup": {"1024": 1}},
        ),
        (plot_lengths, {"read": {"0": 1}}, {"read": {"0": 2}}),
    ],
)
def test_what_is_shown_changes_with_the_numbers(tmp_path, plot, shown, other):
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for numbers, path in zip((shown, other), paths, strict=True):
        save_figure(plot(numbers), path)
    pictures = [matplotlib.image.imread(path) for path in paths]
    # Drawn upon, not white alone.
    assert all(picture.std() > 0.01 for picture in pictures)
    same = pictures[0].shape == pictures[1].shape
    assert not same or (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize(
    ("plot", "shown"),
    [
        (plot_stages, {name: {"all": COUNTS} for name in ("read", "dedup")}),
        (plot_lengths, {name: {"8": 3, "16": 4} for name in ("read", "dedup")}),
    ],
)
def test_nothing_hides_a_bar_or_a_series(plot, shown):
    figure = plot(shown)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend().get_window_extent()
    assert legend.y0 >= axes.get_window_extent().y1
    # The same numbers twice: the first is seen beside the second.
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths == sorted(set(widths), reverse=True)
