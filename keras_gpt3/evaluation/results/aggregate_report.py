"""The section of a report, and the figure, of mean accuracies over tasks."""

import itertools

from keras_gpt3.evaluation.results.aggregate import SETTINGS
from keras_gpt3.evaluation.results.aggregate import accuracies_by_task
from keras_gpt3.evaluation.results.aggregate import accuracy_rows
from keras_gpt3.evaluation.results.aggregate import aggregate
from keras_gpt3.evaluation.results.aggregate import mean_of
from keras_gpt3.evaluation.results.aggregate import num_parameters
from keras_gpt3.evaluation.results.aggregate import paper_means
from keras_gpt3.evaluation.results.aggregate import run_labels
from keras_gpt3.evaluation.results.plots import scale_scores
from keras_gpt3.evaluation.results.plots import stroke
from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.size_plots import DASHES
from keras_gpt3.evaluation.results.size_plots import MARKERS
from keras_gpt3.evaluation.results.size_plots import side_by_side
from keras_gpt3.reporting.figures import PALE
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import shades
from keras_gpt3.reporting.report import ReportSection

# In the folder of a report.
AGGREGATE_PICTURE = "aggregate.png"
_COLUMNS = (
    "Model",
    "Setting",
    "Mean ± standard error",
    "95% interval",
    "Paper, 125M",
    "Paper, 175B",
)
# Standard errors on each side of a normal 95% interval.
_WIDTH = 1.96


def aggregate_section(results):
    """Make a report's section; `None` where fewer than two tasks count."""
    if len(accuracies_by_task(results)[0]) < 2:
        return None
    found = aggregate(results)
    title = "Mean accuracy over tasks (Figure 1.3)"
    if len(found.rows) < 2:
        return ReportSection(title, (_NOTHING_COMMON,))
    drawn = any(num_parameters(run) is not None for run in found.runs.values())
    return ReportSection(
        title,
        paragraphs=tuple(_paragraphs(found)),
        columns=_COLUMNS,
        rows=tuple(_rows(found)),
        figure=plot_aggregate(found) if drawn else None,
        picture=AGGREGATE_PICTURE if drawn else None,
    )


_NOTHING_COMMON = (
    "There is no mean: no two tasks whose accuracy Table H.1 has were "
    "evaluated in the same setting by all of these models."
)


def _paragraphs(found):
    """What the means are of, and what they leave out."""
    yield (
        f"Means of accuracy or exact match over {len(found.rows)} tasks, beside"
        " the paper's over the same tasks: "
        f"{', '.join(row.benchmark for row in found.rows)}. Intervals are "
        "normal ones, of independent tasks."
    )
    rows = accuracy_rows()
    zero, one, few = 100 * paper_means(rows)[:, -1]
    yield (
        f"Over all {len(rows)} tasks the paper's 175B has {zero:.1f}, {one:.1f}"
        f" and {few:.1f} (zero-, one- and few-shot). The paper does not list "
        "them: here they are the 41 rows of accuracy of Table H.1 and SQuADv2's"
        " exact match. It calls its figure no rigorous or meaningful benchmark."
    )
    other = [row.benchmark for row in found.rows if _has_other_k(found, row)]
    if other:
        yield f"With another K than the paper's few-shot: {', '.join(other)}."
    if found.left_out:
        reasons = (f"{k} ({why})" for k, why in sorted(found.left_out.items()))
        yield f"Left out: {', '.join(reasons)}."
    labels = run_labels(found)
    unsized = [
        labels[k] for k, v in found.runs.items() if num_parameters(v) is None
    ]
    if unsized:
        yield f"Not drawn, as the size is unknown: {', '.join(unsized)}."


def _has_other_k(found, row):
    """Whether a run has the task few-shot with another K than the paper."""
    place = found.rows.index(row)
    return 2 in found.settings and any(
        run[2][place].shots != row.shots for run in found.runs.values()
    )


def _rows(found):
    labels, means = run_labels(found), 100 * paper_means(found.rows)
    for run, own in found.runs.items():
        for n in found.settings:
            value, error = (100 * number for number in mean_of(own[n]))
            low, high = value - _WIDTH * error, value + _WIDTH * error
            yield (
                labels[run],
                SETTINGS[n],
                f"{value:.3g} ± {error:.3g}",
                f"{low:.3g} to {high:.3g}",
                f"{means[n, 0]:.3g}",
                f"{means[n, -1]:.3g}",
            )


# === Figure ===


def plot_aggregate(found=None, path=None):
    """Draw mean accuracies over parameters, as in Figure 1.3.

    The first panel has the paper's means over its 42 tasks, and each of them
    behind. The second, if an `Aggregate` is given, has the means of its runs
    with 95% intervals, and in grey the paper's over the same tasks.
    """
    figure, grid = open_panels(1 if found is None else 2, (5.2, 4))
    _draw_tasks(grid[0])
    _draw_paper(grid[0], accuracy_rows(), (0, 1, 2))
    if found is not None:
        _draw_paper(grid[1], found.rows, found.settings)
        _draw_runs(grid[1], found)
        grid[1].set_title(f"The {len(found.rows)} tasks measured", fontsize=11)
    for axes in grid:
        axes.set_xscale("log")
        axes.set_xlabel("Parameters")
        axes.set_ylabel(f"Mean of {metric_title('accuracy').lower()}")
        scale_scores(axes, "accuracy")
    legend_below(figure)
    return save_figure(figure, path)


def _draw_tasks(axes):
    """Draw each of the paper's tasks in all settings, faintly."""
    rows, sizes = accuracy_rows(), list(paper_sizes().values())
    axes.set_title(f"The paper's {len(rows)} tasks", fontsize=11)
    for row in rows:
        for scores in (row.zero_shot, row.one_shot, row.few_shot):
            shown = [100 * score for score in scores]
            axes.plot(sizes, shown, color=PALE, linewidth=0.5, zorder=1)


def _draw_paper(axes, rows, settings):
    means, sizes = 100 * paper_means(rows), list(paper_sizes().values())
    for n in settings:
        axes.plot(
            sizes,
            means[n],
            linestyle=DASHES[n],
            color=PAPER_TEXT,
            marker=".",
            label=f"GPT-3 of the paper, {SETTINGS[n]}",
        )


def _draw_runs(axes, found):
    """Draw one colour a setting, and one mark a run where there are several."""
    runs = {
        k: run
        for k, run in found.runs.items()
        if num_parameters(run) is not None
    }
    sizes = {key: num_parameters(run) for key, run in runs.items()}
    places, labels = side_by_side(sizes), run_labels(found)
    marks = dict(zip(runs, itertools.cycle(MARKERS), strict=False))
    for n, colour in enumerate(shades(3)):
        if n not in found.settings:
            continue
        means = {
            k: [100 * x for x in mean_of(run[n])] for k, run in runs.items()
        }
        _join(axes, {places[k]: means[k][0] for k in runs}, runs, colour)
        for k, (value, error) in means.items():
            style = stroke(n, 3) | {"color": colour}
            low, high = value - _WIDTH * error, value + _WIDTH * error
            axes.vlines(places[k], low, high, color=colour)
            axes.plot([places[k]], [value], marks[k], clip_on=False, **style)
        label = f"measured, {SETTINGS[n]}"
        axes.plot([], [], "s", color=colour, label=label)
    for k in runs if len(runs) > 1 else ():
        axes.plot([], [], marks[k], color=PAPER_TEXT, label=labels[k])


def _join(axes, points, runs, colour):
    """Join points by a line, unless models of one size are among them."""
    if len({num_parameters(run) for run in runs.values()}) == len(runs):
        axes.plot(*zip(*sorted(points.items()), strict=True), color=colour)
