"""The frame of the evaluation's plots: one panel a task, one legend below."""

import math

from keras_gpt3.evaluation.results.results_table import metric_title

# The paper is drawn in greys, so all that has a colour was measured here.
PAPER_GREY = "0.72"
PAPER_TEXT = "0.45"
COLOURS = tuple(f"tab:{name}" for name in ("blue", "orange", "green", "red"))
COLOURS += tuple(f"tab:{name}" for name in ("purple", "brown", "pink", "cyan"))
_COLUMNS = 3
# A panel of zeros would be scaled to what is not seen in results.
_LEAST_TOP = 10
# Below 0, so that a mark there is whole.
_BELOW = 0.04
# Wider, or larger, than the one drawn over it, as often as that is seen.
_STEP, _MOST_STEPS = 1.5, 3


def task_panels(results, tasks):
    """Makes a figure with an empty panel for each task and metric."""
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    if not results:
        raise ValueError(
            "A plot must have results to show. Received: results=[]. Evaluate "
            "a model first."
        )
    keys = list(dict.fromkeys((r.task, r.metric) for r in results))
    columns = min(_COLUMNS, len(keys))
    rows = math.ceil(len(keys) / columns)
    size = (max(4.2 * columns, 6.4), 3.3 * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(keys) :]:
        axes.remove()
    known = {task.name: task for task in tasks}
    panels = dict(zip(keys, grid, strict=False))
    for (name, metric), axes in panels.items():
        _dress(axes, known.get(name), name, metric)
    return figure, panels


def _dress(axes, task, name, metric):
    axes.set_title(task.title if task else name, fontsize=11)
    axes.set_ylabel(metric_title(metric))
    axes.grid(alpha=0.3)
    chance = task.random_accuracy if task else None
    if chance is not None and metric == "accuracy":
        axes.axhline(
            100 * chance, color=PAPER_TEXT, linestyle=":", label="guessing"
        )


def add_legend(figure):
    """Puts one legend of all panels below them, where no curve is."""
    handles = {}
    for axes in figure.axes:
        for handle, label in zip(
            *axes.get_legend_handles_labels(), strict=True
        ):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=min(len(handles), 3),
            frameon=False,
        )


def stroke(number, count):
    """Makes curves that coincide visible: each is wider than the next."""
    more = _STEP * min(count - 1 - number, _MOST_STEPS)
    return {"linewidth": 1.5 + more, "markersize": 4 + more}


def scale_scores(axes, metric):
    """Scales the axis of scores: from 0, or logarithmic for perplexity."""
    if metric == "perplexity":
        axes.set_yscale("log")
        return
    top = max(axes.get_ylim()[1], _LEAST_TOP)
    axes.set_ylim(-_BELOW * top, top)


def label_end(axes, x, y, text):
    """Writes at the right end of a curve of the paper what it is."""
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=PAPER_TEXT,
        annotation_clip=False,
    )
