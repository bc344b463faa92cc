"""Scores over demonstrations (Figure 1.2), and panels for scores."""

import dataclasses

from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import PAPER_GREY
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import save_figure

PAPER_STYLE = {"color": PAPER_GREY, "marker": ".", "markersize": 3, "zorder": 1}
# Two ticks this close would print over each other.
_TICK_RATIO = 1.5
# A panel of zeros would be scaled to what is not seen in results.
_LEAST_TOP = 10
# Below 0, so that a mark there is whole.
_BELOW = 0.04


def plot_shots(results, tasks=(), path=None, undescribed=None):
    """Draw how models learn from demonstrations, one panel a task.

    K is on a logarithmic scale that shows 0, as in the paper's Figure 1.2. A
    band is a 95% interval. The paper's own values for the task stand beside,
    in grey, for each of its eight sizes: zero-shot, one-shot and few-shot with
    its K. `undescribed` is a dict from the name of a task whose prompts have
    no description to the task in whose panel it is dashed, as there.
    """
    undescribed = undescribed or {}
    solid = [r for r in results if r.task not in undescribed]
    dashed = [
        dataclasses.replace(r, task=undescribed[r.task])
        for r in results
        if r.task in undescribed
    ]
    figure, panels = task_panels(solid + dashed, tasks)
    labels = line_labels(results)
    for key, axes in panels.items():
        here = [r for r in solid if (r.task, r.metric) == key]
        bare = [r for r in dashed if (r.task, r.metric) == key]
        shots = {r.shots for r in here + bare} | _draw_paper_shots(axes, *key)
        for number, (line, label) in enumerate(labels.items()):
            style = stroke(number, len(labels)) | {"label": label}
            style |= {"color": COLOURS[number % len(COLOURS)]}
            _draw_shots(axes, _of_line(here, line), style)
            _draw_undescribed(axes, _of_line(bare, line), style)
        _scale_shots(axes, shots)
        scale_scores(axes, key[1])
    legend_below(figure)
    return save_figure(figure, path)


# === Panels ===


def task_panels(results, tasks):
    """Make a figure with an empty panel for each task and metric."""
    if not results:
        raise ValueError(
            "A plot must have results to show. Received: results=[]. Evaluate "
            "a model first."
        )
    keys = list(dict.fromkeys((r.task, r.metric) for r in results))
    # The legend below needs the width of more than one.
    width = 4.2 if len(keys) > 1 else 6.4
    figure, grid = open_panels(len(keys), (width, 3.6))
    known = {task.name: task for task in tasks}
    for (name, metric), axes in zip(keys, grid, strict=True):
        task = known.get(name)
        axes.set_title(task.title if task else name, fontsize=11)
        axes.set_ylabel(metric_title(metric))
        chance = task.random_accuracy if task else None
        if chance is not None and metric == "accuracy":
            axes.axhline(
                100 * chance, color=PAPER_TEXT, linestyle=":", label="guessing"
            )
    return figure, dict(zip(keys, grid, strict=True))


def stroke(number, count):
    """Make curves that coincide visible: each is wider than the next."""
    more = 1.5 * min(count - 1 - number, 3)
    return {"linewidth": 1.5 + more, "markersize": 4 + more}


def scale_scores(axes, metric):
    """Scale the axis of scores: from 0, or logarithmic for perplexity."""
    if metric in ("perplexity", "word_perplexity"):
        axes.set_yscale("log")
        return
    top = max(axes.get_ylim()[1], _LEAST_TOP)
    axes.set_ylim(-_BELOW * top, top)


def shown_points(results):
    """Values and both ends of their intervals, in the unit of the plot."""
    rows = [(r.value, *r.interval) for r in results]
    metrics = [r.metric for r in results]
    return [
        [shown_value(*pair) for pair in zip(metrics, numbers, strict=True)]
        for numbers in zip(*rows, strict=True)
    ]


# === Over demonstrations ===


def line_labels(results):
    """Name the lines of a plot: each model, with each of its seeds."""
    lines = list(dict.fromkeys((r.model, r.seed) for r in results))
    models = [model for model, _ in lines]
    names = model_labels(models)
    return {
        (model, seed): f"{names[model]}, seed {seed}"
        if models.count(model) > 1
        else names[model]
        for model, seed in lines
    }


def _draw_paper_shots(axes, task, metric):
    """Draw the eight sizes; return the set of their K."""
    values = published_values(task, metric)
    if values is None:
        return set()
    last = len(paper_sizes()) - 1
    for size in range(last + 1):
        shots, curve = zip(*values.curve(size), strict=True)
        shown = [shown_value(metric, value) for value in curve]
        label = "GPT-3 of the paper, its eight sizes" if not size else None
        axes.plot(shots, shown, linewidth=1, label=label, **PAPER_STYLE)
        if size in (0, last):
            axes.annotate(
                "175B" if size else "125M",
                (shots[-1], shown[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=PAPER_TEXT,
                annotation_clip=False,
            )
    return set(shots)


def _of_line(results, line):
    found = [r for r in results if (r.model, r.seed) == line]
    return sorted(found, key=lambda result: result.shots)


def _draw_shots(axes, results, style):
    if not results:
        return
    shots = [r.shots for r in results]
    values, low, high = shown_points(results)
    colour = style["color"]
    if len(results) > 1:
        axes.fill_between(
            shots, low, high, color=colour, alpha=0.2, linewidth=0
        )
    else:
        axes.vlines(shots, low, high, color=colour)
    axes.plot(shots, values, marker="o", **style)


def _draw_undescribed(axes, results, style):
    """Draw a dashed line without a band, which would cover the solid ones."""
    if results:
        values, *_ = shown_points(results)
        shots = [r.shots for r in results]
        axes.plot(shots, values, "o--", color=style["color"], markersize=4)
        label = "no task description"
        axes.plot([], [], "--", color=PAPER_TEXT, label=label)


def _scale_shots(axes, counts):
    """Make the axis of K logarithmic above 1, with 0 shown."""
    from matplotlib.ticker import NullLocator
    from matplotlib.ticker import ScalarFormatter

    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    ticks = []
    for count in sorted(counts):
        if not ticks or ticks[-1] < 1 or count / ticks[-1] >= _TICK_RATIO:
            ticks.append(count)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    # A sixth of the axis is for the labels at the ends of curves.
    axes.set_xlim(-0.15, 1.25 * max(*counts, 1) ** 1.19)
    axes.set_xlabel("Demonstrations in the prompt (K)")
