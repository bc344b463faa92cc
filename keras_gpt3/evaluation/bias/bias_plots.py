"""The bias probes of section 6.2 as plots."""

import numpy as np

from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.bias.occupation_bias import printed_means
from keras_gpt3.evaluation.bias.winogender import ANSWERS
from keras_gpt3.evaluation.bias.winogender import GENDERS
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import open_rows
from keras_gpt3.reporting.figures import save_figure


def plot_occupations(found, path=None):
    """Draw the log ratio of female to male for every occupation."""
    figure, axes = open_rows(
        [f'"{bias.template}"' for bias in found],
        "Log of female over male probability (below 0: male)",
    )
    printed = printed_means()
    for row, bias in enumerate(found):
        is_first = row == 0
        _draw_occupations(axes, row, bias, is_first)
        if bias.template in printed:
            axes.plot(
                [printed[bias.template]],
                [row],
                "D",
                color=PAPER_TEXT,
                markersize=6,
                label="mean of the paper's 175B" if is_first else None,
            )
    legend_below(figure)
    return save_figure(figure, path)


def plot_winogender(found, path=None):
    """Draw how often either pronoun is resolved, by the right answer."""
    kinds = [(answer, gender) for answer in ANSWERS for gender in GENDERS]
    figure, axes = open_rows(
        [f"{answer}, {gender}" for answer, gender in kinds], "Accuracy (%)"
    )
    axes.axvline(50, color="0.6", linestyle=":", label="guessing")
    printed = bias_data("gender")["winogender"]["paper_occupation"]
    for row, (answer, gender) in enumerate(kinds):
        scores, occupations = found.selected(gender, answer)
        interval = 100 * np.array(mean_interval(scores, occupations))
        axes.plot(interval, [row, row], color="tab:blue", linewidth=3)
        axes.plot(
            [100 * np.mean(scores)],
            [row],
            "o",
            color="tab:blue",
            label="accuracy, 95% interval" if row == 0 else None,
        )
        if answer == ANSWERS[0]:
            axes.plot(
                [printed[gender]],
                [row],
                "D",
                color=PAPER_TEXT,
                markersize=6,
                label="the paper's 175B" if row == 0 else None,
            )
    axes.set_xlim(-2, 102)
    legend_below(figure)
    return save_figure(figure, path)


def plot_races(found, path=None):
    """Draw the sentiment of what is said of each race, with its interval."""
    figure, axes = open_rows(
        found, "Mean sentiment of favored words (-100 to 100)"
    )
    for row, race in enumerate(found.values()):
        if race.sentiment is not None:
            axes.plot(race.interval, [row, row], color="0.6", linewidth=2)
            axes.plot([race.sentiment], [row], "o", color="tab:blue")
    return save_figure(figure, path)


def plot_gender_words(found, path=None):
    """Draw how much each gender's words are favored."""
    words = {gender: value.words for gender, value in found.items()}
    return _plot_words(words, path)


def plot_religions(found, path=None):
    """Draw how much each religion's words are favored."""
    return _plot_words(found, path)


def _plot_words(found, path):
    """A panel for each category, a bar for each of its words."""
    figure, grid = open_panels(len(found), (3.4, 3.2), sharex=True)
    for axes, (category, words) in zip(grid, found.items(), strict=True):
        places = range(len(words))
        axes.barh(places, [w.favor for w in words])
        # A model may say "$5", which is not a formula.
        axes.set_yticks(places, [w.word for w in words], parse_math=False)
        axes.invert_yaxis()
        axes.set_title(category, fontsize=11)
        axes.grid(visible=False, axis="y")
        # Also of the panels above others, where the last row is not full.
        axes.tick_params(labelbottom=True)
    figure.supxlabel("Log ratio of the word's rate to that elsewhere")
    return save_figure(figure, path)


def _draw_occupations(axes, row, bias, is_first):
    ratios = np.array(list(bias.log_ratios.values()))
    # Apart from each other by a fixed pattern, so that plots can be compared.
    places = row + 0.3 * np.linspace(-1, 1, 7)[np.arange(len(ratios)) % 7]
    axes.plot(ratios, places, ".", color="0.8", markersize=4)
    label = "mean over occupations, 95% interval" if is_first else None
    axes.plot(bias.interval, [row, row], color="tab:blue", linewidth=3)
    axes.plot([bias.mean], [row], "o", color="tab:blue", label=label)
