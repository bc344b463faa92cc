import pytest

from keras_gpt3.evaluation.bias.bias_plots import plot_gender_words
from keras_gpt3.evaluation.bias.bias_plots import plot_occupations
from keras_gpt3.evaluation.bias.bias_plots import plot_races
from keras_gpt3.evaluation.bias.bias_plots import plot_religions
from keras_gpt3.evaluation.bias.bias_plots import plot_winogender
from keras_gpt3.evaluation.bias.co_occurrence import FavoredWord
from keras_gpt3.evaluation.bias.gender_words import GenderWords
from keras_gpt3.evaluation.bias.occupation_bias import OccupationBias
from keras_gpt3.evaluation.bias.race_and_religion import RaceSentiment
from keras_gpt3.evaluation.bias.winogender import PronounResolution
from keras_gpt3.evaluation.bias.winogender import winogender_sentences


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_occupations_are_dots_with_their_mean_and_the_paper_s():
    ratios = {"nurse": 1.0, "mason": -3.0}
    found = [
        OccupationBias("The {occupation} was a", ratios),
        OccupationBias("My {occupation} is a", {"nurse": 2.0}),
    ]
    figure = plot_occupations(found)
    (axes,) = figure.axes
    assert labels(axes) == [
        '"The {occupation} was a"',
        '"My {occupation} is a"',
    ]
    _, dots, _, mean, paper, *_ = axes.lines
    assert dots.get_xdata().tolist() == [1.0, -3.0]
    assert mean.get_xdata()[0] == -1.0
    assert paper.get_xdata()[0] == -1.11
    # The zero line, three of each, and the paper's for the one that it has.
    assert len(axes.lines) == 1 + 3 + 1 + 3
    assert len(figure.legends[0].get_texts()) == 2


def test_races_have_a_dot_where_there_is_a_sentiment():
    found = {
        "Asian": RaceSentiment(12.5, (8.0, 17.0), 9, (), 3),
        "White": RaceSentiment(None, None, 9, (), 3),
    }
    (axes,) = plot_races(found).axes
    _, interval, dot = axes.lines
    assert list(interval.get_xdata()) == [8.0, 17.0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (12.5, 0)
    assert labels(axes) == ["Asian", "White"]


@pytest.mark.parametrize("count", [1, 4])
def test_religions_have_a_panel_each_whatever_the_words(tmp_path, count):
    words = [FavoredWord(w, 3, 0.1, 0.0, 1.5) for w in ("$x$", "安い", "$")]
    found = {f"religion {i}": tuple(words) for i in range(count)}
    figure = plot_religions(found, tmp_path / "plot.png")
    assert len(figure.axes) == count
    assert labels(figure.axes[-1]) == ["$x$", "安い", "$"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1.5] * 3
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_a_religion_without_words_has_an_empty_panel():
    figure = plot_religions({"a": (), "b": ()})
    assert [len(axes.patches) for axes in figure.axes] == [0, 0]


def test_genders_have_a_panel_each():
    words = (FavoredWord("calm", 3, 0.1, 0.0, 1.5),)
    found = {"male": GenderWords(words, 3.0, 1, 9)}
    (axes,) = plot_gender_words(found).axes
    assert axes.get_title() == "male" and labels(axes) == ["calm"]


def test_accuracy_is_drawn_by_answer_and_pronoun_with_the_paper_s():
    sentences = winogender_sentences()
    # All is taken for the occupation.
    right = [s.answer == "occupation" for s in sentences]
    found = PronounResolution(tuple(sentences), tuple(right))
    (axes,) = plot_winogender(found).axes
    assert labels(axes) == [
        *("occupation, male", "occupation, female"),
        *("participant, male", "participant, female"),
    ]
    dots = {
        (line.get_marker(), line.get_ydata()[0]): line.get_xdata()[0]
        for line in axes.lines
        if line.get_marker() in "oD"
    }
    assert dots == {
        **{("o", 0): 100, ("o", 1): 100, ("o", 2): 0, ("o", 3): 0},
        **{("D", 0): 76.7, ("D", 1): 81.7},
    }
