import matplotlib.image
import pytest

from keras_gpt3.corpus.corpus_plots import plot_cluster_sizes
from keras_gpt3.corpus.corpus_plots import plot_lengths
from keras_gpt3.corpus.corpus_plots import plot_scores
from keras_gpt3.corpus.corpus_plots import plot_stages

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
    plot(shown, paths[0])
    plot(other, paths[1])
    pictures = [matplotlib.image.imread(path) for path in paths]
    # Drawn upon, not white alone.
    assert all(picture.std() > 0.01 for picture in pictures)
    same = pictures[0].shape == pictures[1].shape
    assert not same or (pictures[0] != pictures[1]).any()
