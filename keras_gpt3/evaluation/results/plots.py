"""Scores over demonstrations (Figure 1.2) and size (Figures 3.2 to 3.11)."""

import numpy as np

from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import PAPER_GREY
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import shades

_PAPER = {"color": PAPER_GREY, "marker": ".", "markersize": 3, "zorder": 1}
# Two ticks this close would print over each other.
_TICK_RATIO = 1.5
_MARKERS = "os^DvPX*"
# Between models of one size, as a ratio of parameters.
_BESIDE = 1.4
_DASHES = (":", "--", "-")
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
    no description to the task in whose panel it is drawn, dashed as in that
    figure.
    """
    undescribed = undescribed or {}
    described = [r for r in results if r.task not in undescribed]
    figure, panels = task_panels(described, tasks)
    labels = line_labels(results)
    for key, axes in panels.items():
        here = [r for r in described if (r.task, r.metric) == key]
        bare = [
            r for r in results if (undescribed.get(r.task), r.metric) == key
        ]
        shots = {r.shots for r in here + bare} | _draw_paper_shots(axes, *key)
        for number, (line, label) in enumerate(labels.items()):
            style = stroke(number, len(labels))
            style |= {"color": COLOURS[number % len(COLOURS)]}
            _draw_shots(axes, _of_line(here, line), style | {"label": label})
            dashes = style | {"linestyle": "--", "linewidth": 1.5}
            _draw_shots(axes, _of_line(bare, line), dashes)
        if bare:
            label = "no task description"
            axes.plot([], [], "--", color=PAPER_TEXT, label=label)
        _scale_shots(axes, shots)
        scale_scores(axes, key[1])
    legend_below(figure)
    return save_figure(figure, path)


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
    marks, places = _marks(results), _places(results)
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
        values, low, high = _shown(points)
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
    if metric == "perplexity":
        axes.set_yscale("log")
        return
    top = max(axes.get_ylim()[1], _LEAST_TOP)
    axes.set_ylim(-_BELOW * top, top)


def _shown(results):
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
        axes.plot(shots, shown, linewidth=1, label=label, **_PAPER)
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
    return [r for r in results if (r.model, r.seed) == line]


def _draw_shots(axes, results, style):
    if not results:
        return
    results = sorted(results, key=lambda result: result.shots)
    shots = [r.shots for r in results]
    values, low, high = _shown(results)
    colour = style["color"]
    if len(results) > 1:
        axes.fill_between(
            shots, low, high, color=colour, alpha=0.2, linewidth=0
        )
    else:
        axes.vlines(shots, low, high, color=colour)
    axes.plot(shots, values, marker="o", **style)


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


# === Over sizes ===


def _draw_paper_sizes(axes, task, metric):
    """Draw the paper's three settings; return K of the last, or `None`."""
    values = published_values(task, metric)
    if values is None:
        return None
    sizes = list(paper_sizes().values())
    for setting, name in enumerate(("zero-shot", "one-shot", "few-shot")):
        axes.plot(
            sizes,
            [shown_value(metric, v) for v in values.of_shots(setting)],
            linestyle=_DASHES[setting],
            label=f"GPT-3 of the paper, {name}",
            **_PAPER,
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
    values, low, high = _shown(results)
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
