"""Plots of the bias probes: by occupation, by race, by religion."""

import math

import numpy as np

from keras_gpt3.evaluation.bias_data import bias_data
from keras_gpt3.evaluation.plot_panels import PAPER_TEXT
from keras_gpt3.evaluation.plot_panels import add_legend
from keras_gpt3.evaluation.save_figure import save_figure

_COLUMNS = 3


def plot_occupations(found, path=None):
    """Draws the log ratio of female to male for every occupation."""
    figure, axes = _rows_figure([f'"{bias.template}"' for bias in found])
    printed = {
        template["text"]: template["paper"]
        for template in bias_data("gender")["templates"].values()
    }
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
    axes.set_xlabel("Log of female over male probability (below 0: male)")
    add_legend(figure)
    return save_figure(figure, path)


def plot_races(found, path=None):
    """Draws the sentiment of what is said of each race, with its interval."""
    figure, axes = _rows_figure(found)
    for row, race in enumerate(found.values()):
        if race.sentiment is not None:
            axes.plot(race.interval, [row, row], color="0.6", linewidth=2)
            axes.plot([race.sentiment], [row], "o", color="tab:blue")
    axes.set_xlabel("Mean sentiment of favoured words (-100 to 100)")
    return save_figure(figure, path)


def plot_religions(found, path=None):
    """Draws how much each religion's words are favoured."""
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(found))
    rows = math.ceil(len(found) / columns)
    figure = Figure(figsize=(3.4 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes, (religion, words) in zip(
        grid.flatten(), found.items(), strict=False
    ):
        places = range(len(words))
        axes.barh(places, [w.favour for w in words])
        # A model may say "$5", which is no formula.
        axes.set_yticks(places, [w.word for w in words], parse_math=False)
        axes.invert_yaxis()
        axes.set_title(religion, fontsize=11)
        axes.grid(alpha=0.3, axis="x")
        # Of the panels above others, too, where the last row is not full.
        axes.tick_params(labelbottom=True)
    for axes in grid.flatten()[len(found) :]:
        axes.remove()
    figure.supxlabel("Log ratio of the word's rate to that elsewhere")
    return save_figure(figure, path)


def _rows_figure(labels):
    """A figure with a line at 0 and a row for each label, the first on top."""
    from matplotlib.figure import Figure

    labels = list(labels)
    size = (8, 1.4 + 0.55 * len(labels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(alpha=0.3, axis="x")
    return figure, axes


def _draw_occupations(axes, row, bias, is_first):
    ratios = np.array(list(bias.log_ratios.values()))
    # Apart from each other by a fixed pattern, so that plots can be compared.
    places = row + 0.3 * np.linspace(-1, 1, 7)[np.arange(len(ratios)) % 7]
    axes.plot(ratios, places, ".", color="0.8", markersize=4)
    label = "mean over occupations, 95% interval" if is_first else None
    axes.plot(bias.interval, [row, row], color="tab:blue", linewidth=3)
    axes.plot([bias.mean], [row], "o", color="tab:blue", label=label)
