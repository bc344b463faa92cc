"""The figure of the example: Figure 4.2 of two models, and their scores."""

from sentence_endings import CHOICES

from keras_gpt3.evaluation.contamination.contamination_report import (
    draw_published,
)
from keras_gpt3.evaluation.contamination.table_c1 import (
    published_contamination_table,
)
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import INK
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure

PARTS = ("dirty", "clean")  # As a report calls them.


def draw(report, path):
    """Draws Figure 4.2 of both models, and their scores beside it."""
    figure, (changes, scores) = open_figure((11, 4.5), columns=2)
    changes.axhline(0, color="0.4", linewidth=1)
    draw_published(changes, published_contamination_table().values())
    for number, model in enumerate(report["models"]):
        found = report["models"][model]
        style = {"color": COLOURS[number], "label": f"{model} model"}
        draw_changes(changes, found["sets"].values(), number, style)
        draw_bars(scores, found["together"], number, style)
    changes.set_xlabel("Clean examples (% of those compared)")
    changes.set_ylabel("Relative change of the score, clean alone (%)")
    scores.axhline(100 / CHOICES, color=INK, linestyle=":", label="guessing")
    scores.set_xticks([0, 1], ["planted items", "items not planted"])
    scores.set_ylim(0, 100)
    scores.set_ylabel("Accuracy (%)")
    legend_below(figure, columns=4)
    save_figure(figure, path)


def draw_changes(axes, sets, number, style):
    """Draws a point for each set, with its interval."""
    # Side by side, so that no interval covers another.
    points = [
        (100 * found["share_clean"] + 1.5 * number, found)
        for found in sets
        if found["change"] is not None
    ]
    for x, found in points:
        interval = found["change_interval"]
        axes.plot([x, x], interval, color=style["color"], alpha=0.4)
    ys = [found["change"] for _, found in points]
    axes.plot([x for x, _ in points], ys, "o", **style)


def draw_bars(axes, together, number, style):
    """Draws the scores of a model, with their intervals."""
    for place, part in enumerate(PARTS):
        x, found = place + 0.36 * (number - 0.5), together[part]
        axes.bar([x], [100 * found["value"]], 0.34, **style)
        interval = [100 * bound for bound in found["interval"]]
        axes.plot([x, x], interval, color=INK, linewidth=1.5)
        style = style | {"label": None}
