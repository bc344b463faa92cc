"""Scores over the size of the model (Figures 3.2 to 3.11)."""

import numpy as np

from keras_gpt3.evaluation.results.aggregate import SETTINGS
from keras_gpt3.evaluation.results.plots import PAPER_STYLE
from keras_gpt3.evaluation.results.plots import scale_scores
from keras_gpt3.evaluation.results.plots import shown_points
from keras_gpt3.evaluation.results.plots import stroke
from keras_gpt3.evaluation.results.plots import task_panels
from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import shades

MARKERS = "os^DvPX*"
# Of zero-, one- and few-shot.
DASHES = (":", "--", "-")
# Between models of one size, as a ratio of parameters.
_BESIDE = 1.4


def plot_sizes(results, tasks=(), path=None):
    """Draw scores over parameters, one panel a task.

    Parameters are on a logarithmic scale, one colour a K, with 95% intervals,
    as in the paper's Figures 3.2 to 3.11 and H.1 to H.11. The paper's own
    values stand beside, in grey: zero-shot dotted, one-shot dashed, few-shot
    solid. Where there are several models, each has its mark; those of one
    size stand side by side, and are not joined by a line.
    """
    results = _with_sizes(results)
    figure, panels = task_panels(results, tasks)
    counts = sorted({r.shots for r in results})
    marks = _marks(results)
    pairs = ((r.model, r.num_parameters) for r in results)
    places = side_by_side({pair: pair[1] for pair in pairs})
    for key, axes in panels.items():
        here = [r for r in results if (r.task, r.metric) == key]
        few_shot = _draw_paper_sizes(axes, *key)
        for number, colour in enumerate(shades(len(counts))):
            points = [r for r in here if r.shots == counts[number]]
            style = stroke(number, len(counts)) | {"color": colour}
            _draw_sizes(axes, points, marks, places, style)
        _name_marks(axes, marks)
        _scale_sizes(axes, few_shot)
        scale_scores(axes, key[1])
    legend_below(figure)
    return save_figure(figure, path)


def plot_tasks(results, tasks=(), path=None):
    """Draw scores of several tasks over parameters, in one panel.

    A line is a task with one K, as in the paper's Figure 3.10, with 95%
    intervals. All results have one metric.
    """
    metrics = sorted({r.metric for r in results})
    if len(metrics) != 1:
        raise ValueError(
            "A plot of several tasks must have results of one metric. "
            f"Received: metrics={metrics}. Pass those of one."
        )
    results = sorted(_with_sizes(results), key=lambda r: r.num_parameters)
    titles = {task.name: task.title for task in tasks}
    lines = list(dict.fromkeys((r.task, r.shots) for r in results))
    figure, (axes,) = open_figure((6.4, 4))
    axes.set_ylabel(metric_title(metrics[0]))
    for number, (task, shots) in enumerate(lines):
        points = [r for r in results if (r.task, r.shots) == (task, shots)]
        sizes = [r.num_parameters for r in points]
        values, low, high = shown_points(points)
        colour = COLOURS[number % len(COLOURS)]
        label = f"{titles.get(task, task)}, K = {shots}"
        axes.vlines(sizes, low, high, color=colour)
        axes.plot(sizes, values, "o-", color=colour, label=label)
    _scale_sizes(axes, None)
    scale_scores(axes, metrics[0])
    legend_below(figure, columns=2)
    return save_figure(figure, path)


def _with_sizes(results):
    """Those results whose model's parameters are known."""
    found = [r for r in results if r.num_parameters is not None]
    if not found:
        raise ValueError(
            "A plot over sizes must have results whose num_parameters is "
            "known. Received: none. Give the results their model's count."
        )
    return found


def _draw_paper_sizes(axes, task, metric):
    """Draw the paper's three settings; return K of the last, or `None`."""
    values = published_values(task, metric)
    if values is None:
        return None
    sizes = list(paper_sizes().values())
    for setting, name in enumerate(SETTINGS):
        axes.plot(
            sizes,
            [shown_value(metric, v) for v in values.of_shots(setting)],
            linestyle=DASHES[setting],
            label=f"GPT-3 of the paper, {name}",
            **PAPER_STYLE,
        )
    return values.shots


def _marks(results):
    """The mark of each model."""
    models = dict.fromkeys(r.model for r in results)
    return {
        model: MARKERS[number % len(MARKERS)]
        for number, model in enumerate(models)
    }


def side_by_side(sizes):
    """Choose where each model stands, of a dict from models to their sizes.

    Those of one size stand beside another.
    """
    beside = {}
    for model, size in sizes.items():
        beside.setdefault(size, []).append(model)
    return {
        model: size * _BESIDE ** (number - (len(models) - 1) / 2)
        for size, models in beside.items()
        for number, model in enumerate(models)
    }


def _name_marks(axes, marks):
    """Put the models' names into the legend, where there are several."""
    labels, style = model_labels(marks), {"color": PAPER_TEXT, "markersize": 6}
    for model, mark in marks.items() if len(marks) > 1 else ():
        axes.plot([], [], mark, label=labels[model], **style)


def _draw_sizes(axes, results, marks, places, style):
    if not results:
        return
    results = sorted(results, key=lambda result: result.num_parameters)
    sizes = [r.num_parameters for r in results]
    at = [places[r.model, r.num_parameters] for r in results]
    values, low, high = shown_points(results)
    colour, width = style["color"], style["linewidth"]
    axes.vlines(at, low, high, color=colour, linewidth=width)
    axes.plot(
        at,
        values,
        clip_on=False,  # A mark at the edge is whole.
        marker="o" if len(marks) == 1 else ".",
        # Models of one size are not a curve.
        linestyle="-" if len(set(sizes)) == len(sizes) else "",
        label=f"measured, K = {results[0].shots}",
        **style,
    )
    large = {"color": colour, "markersize": style["markersize"] + 2}
    if len(marks) > 1:
        for r, x, y in zip(results, at, values, strict=True):
            axes.plot([x], [y], marks[r.model], clip_on=False, **large)


def _scale_sizes(axes, few_shot):
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    # Whole decades: within one there would be but a single label.
    first, last = np.log10(axes.dataLim.intervalx)
    axes.set_xlim(10 ** np.floor(first), 10 ** (np.floor(last) + 1))
    axes.xaxis.set_minor_formatter(NullFormatter())
    note = f" (few-shot of the paper: K = {few_shot})" if few_shot else ""
    axes.set_xlabel(f"Parameters{note}")
