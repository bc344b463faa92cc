"""Scores over the number of demonstrations, as in Figure 1.2."""

from keras_gpt3.evaluation.results.plot_panels import COLOURS
from keras_gpt3.evaluation.results.plot_panels import PAPER_GREY
from keras_gpt3.evaluation.results.plot_panels import add_legend
from keras_gpt3.evaluation.results.plot_panels import label_end
from keras_gpt3.evaluation.results.plot_panels import scale_scores
from keras_gpt3.evaluation.results.plot_panels import stroke
from keras_gpt3.evaluation.results.plot_panels import task_panels
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.reporting.save_figure import save_figure

# Two ticks this close would print over each other.
_TICK_RATIO = 1.5


def plot_shots(results, tasks=(), path=None):
    """Draws how models learn from demonstrations, one panel a task.

    K is on a logarithmic scale that shows 0, as in the paper's Figure 1.2. A
    band is a 95% interval. The paper's own values for the task stand beside,
    in grey, for each of its eight sizes: zero-shot, one-shot and few-shot with
    its K.
    """
    figure, panels = task_panels(results, tasks)
    labels = line_labels(results)
    for key, axes in panels.items():
        here = [r for r in results if (r.task, r.metric) == key]
        counts = {r.shots for r in here} | _draw_paper(axes, *key)
        for number, (line, label) in enumerate(labels.items()):
            points = [r for r in here if (r.model, r.seed) == line]
            colour = COLOURS[number % len(COLOURS)]
            _draw_line(axes, points, colour, label, stroke(number, len(labels)))
        _scale(axes, counts, key[1])
    add_legend(figure)
    return save_figure(figure, path)


def line_labels(results):
    """Names the lines of a plot: each model, with each of its seeds."""
    lines = list(dict.fromkeys((r.model, r.seed) for r in results))
    models = [model for model, _ in lines]
    names = model_labels(models)
    return {
        (model, seed): f"{names[model]}, seed {seed}"
        if models.count(model) > 1
        else names[model]
        for model, seed in lines
    }


def _draw_paper(axes, task, metric):
    """Draws the eight sizes; returns the set of their K."""
    values = published_values(task, metric)
    if values is None:
        return set()
    last = len(paper_sizes()) - 1
    for size in range(last + 1):
        shots, curve = zip(*values.curve(size), strict=True)
        shown = [shown_value(metric, value) for value in curve]
        label = "GPT-3 of the paper, its eight sizes" if not size else None
        axes.plot(
            shots,
            shown,
            color=PAPER_GREY,
            linewidth=1,
            marker=".",
            markersize=3,
            label=label,
            zorder=1,
        )
        if size in (0, last):
            label_end(axes, shots[-1], shown[-1], "175B" if size else "125M")
    return set(shots)


def _draw_line(axes, results, colour, label, width):
    if not results:
        return
    results = sorted(results, key=lambda result: result.shots)
    shots = [r.shots for r in results]
    metric = results[0].metric
    low, high = (
        [shown_value(metric, r.interval[side]) for r in results]
        for side in (0, 1)
    )
    values = [shown_value(metric, r.value) for r in results]
    if len(results) > 1:
        axes.fill_between(
            shots, low, high, color=colour, alpha=0.2, linewidth=0
        )
    else:
        axes.vlines(shots, low, high, color=colour)
    axes.plot(shots, values, color=colour, marker="o", label=label, **width)


def _scale(axes, counts, metric):
    """Makes the axis of K logarithmic above 1, with 0 shown."""
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
    scale_scores(axes, metric)
