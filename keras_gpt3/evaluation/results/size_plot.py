"""Scores over the size of the model, as the paper draws them for each task."""

import numpy as np

from keras_gpt3.evaluation.results.plot_panels import PAPER_GREY
from keras_gpt3.evaluation.results.plot_panels import PAPER_TEXT
from keras_gpt3.evaluation.results.plot_panels import add_legend
from keras_gpt3.evaluation.results.plot_panels import scale_scores
from keras_gpt3.evaluation.results.plot_panels import stroke
from keras_gpt3.evaluation.results.plot_panels import task_panels
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.reporting.save_figure import save_figure

_MARKERS = "os^DvPX*"
# Between models of one size, as a ratio of parameters.
_BESIDE = 1.4
_DASHES = {0: ":", 1: "--", 2: "-"}


def plot_sizes(results, tasks=(), path=None):
    """Draws scores over parameters, one panel a task.

    Parameters are on a logarithmic scale, one colour a K, with 95% intervals,
    as in the paper's Figures 3.2 to 3.11 and H.1 to H.11. The paper's own
    values stand beside, in grey: zero-shot dotted, one-shot dashed, few-shot
    solid. Where there are several models, each has its mark; those of one
    size stand side by side, and are not joined by a line.
    """
    results = [r for r in results if r.num_parameters is not None]
    if not results:
        raise ValueError(
            "A plot over sizes must have results whose num_parameters is "
            "known. Received: none. Give the results their model's count."
        )
    figure, panels = task_panels(results, tasks)
    counts = sorted({r.shots for r in results})
    marks, places = _marks(results), _places(results)
    for key, axes in panels.items():
        here = [r for r in results if (r.task, r.metric) == key]
        few_shot = _draw_paper(axes, *key)
        for number, colour in enumerate(_shades(len(counts))):
            points = [r for r in here if r.shots == counts[number]]
            width = stroke(number, len(counts))
            _draw_line(axes, points, colour, (marks, places), width)
        _name_marks(axes, marks)
        _scale(axes, key[1], few_shot)
    add_legend(figure)
    return save_figure(figure, path)


def _shades(count):
    """Colours that tell more demonstrations from fewer."""
    import matplotlib

    # Its yellow end is hard to see on white.
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))


def _draw_paper(axes, task, metric):
    """Draws the paper's three settings; returns K of the last, or `None`."""
    values = published_values(task, metric)
    if values is None:
        return None
    sizes = list(paper_sizes().values())
    for setting, name in enumerate(("zero-shot", "one-shot", "few-shot")):
        shown = [shown_value(metric, v) for v in values.of_shots(setting)]
        axes.plot(
            sizes,
            shown,
            color=PAPER_GREY,
            linestyle=_DASHES[setting],
            marker=".",
            markersize=3,
            label=f"GPT-3 of the paper, {name}",
            zorder=1,
        )
    return values.shots


def _marks(results):
    """The mark of each model."""
    models = dict.fromkeys(r.model for r in results)
    return {
        model: _MARKERS[number % len(_MARKERS)]
        for number, model in enumerate(models)
    }


def _places(results):
    """Where each model of a size stands: those of one size beside another."""
    models = {}
    for r in results:
        models.setdefault(r.num_parameters, {})[r.model] = None
    return {
        (model, size): size * _BESIDE ** (number - (len(beside) - 1) / 2)
        for size, beside in models.items()
        for number, model in enumerate(beside)
    }


def _name_marks(axes, marks):
    """Puts the models' names into the legend, where there are several."""
    labels = model_labels(marks)
    for model, mark in marks.items() if len(marks) > 1 else ():
        axes.plot(
            [],
            [],
            mark,
            color=PAPER_TEXT,
            markersize=6,
            label=labels[model],
        )


def _draw_line(axes, results, colour, marks_and_places, width):
    if not results:
        return
    marks, places = marks_and_places
    results = sorted(results, key=lambda result: result.num_parameters)
    metric = results[0].metric
    sizes = [r.num_parameters for r in results]
    shown = [places[r.model, r.num_parameters] for r in results]
    values = [shown_value(metric, r.value) for r in results]
    low, high = (
        [shown_value(metric, r.interval[side]) for r in results]
        for side in (0, 1)
    )
    axes.vlines(shown, low, high, color=colour, linewidth=width["linewidth"])
    axes.plot(
        shown,
        values,
        color=colour,
        clip_on=False,  # A mark at the edge is whole.
        marker="o" if len(marks) == 1 else ".",
        # Models of one size are no curve.
        linestyle="-" if len(set(sizes)) == len(sizes) else "",
        label=f"measured, K = {results[0].shots}",
        **width,
    )
    if len(marks) == 1:
        return
    for result, x, y in zip(results, shown, values, strict=True):
        axes.plot(
            [x],
            [y],
            marks[result.model],
            color=colour,
            clip_on=False,
            markersize=width["markersize"] + 2,
        )


def _scale(axes, metric, few_shot):
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    # Whole decades: within one there would be but a single label.
    first, last = np.log10(axes.dataLim.intervalx)
    axes.set_xlim(10 ** np.floor(first), 10 ** (np.floor(last) + 1))
    axes.xaxis.set_minor_formatter(NullFormatter())
    note = f" (few-shot of the paper: K = {few_shot})" if few_shot else ""
    axes.set_xlabel(f"Parameters{note}")
    scale_scores(axes, metric)
