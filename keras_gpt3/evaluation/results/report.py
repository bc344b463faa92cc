"""A report of results: Markdown and one HTML file, with tables and plots."""

import dataclasses
import math
import statistics

from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.results.aggregate_report import AGGREGATE_PICTURE
from keras_gpt3.evaluation.results.aggregate_report import aggregate_section
from keras_gpt3.evaluation.results.plots import plot_shots
from keras_gpt3.evaluation.results.results_table import COLUMNS
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.results.results_table import table_rows
from keras_gpt3.evaluation.results.size_plots import plot_sizes
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_file import task_groups
from keras_gpt3.reporting import report
from keras_gpt3.reporting.report import ReportSection

# In the folder of a report.
RESULTS_FILE = "results.json"
_NOTES = (
    "Intervals are the bootstrap's 95% over examples, those on one passage "
    "together: they do not hold what another draw of demonstrations would "
    "change. Where all examples are right, or all wrong, the bootstrap has no "
    "spread: there they are the 95% of Clopper and Pearson.",
    "The paper's values are those of Table H.1, of its own models and prompts; "
    "few-shot ones are of the paper's K. It prints no intervals. Those of a "
    "test server are few-shot, of answers that are not public. The best "
    "fine-tuned models are other people's, of 2020, with all training data "
    "and updates of their weights; they are in that table's column, which "
    "differs for Winograd from Table 3.5 (90.1) and for PIQA from Table 3.6 "
    "(79.4).",
)


def write_report(results, folder, tasks=(), title="Evaluation"):
    """Write a report into a folder, whole or not at all.

    The files are `report.md`, `report.html`, which needs no other file,
    `results.json` for `read_results`, and the plots: `shots.png` where a task
    has results of several K, `sizes.png` where sizes of models are known, and
    `aggregate.png` where two or more tasks of known accuracy are averaged.
    Those of an earlier report are replaced; other files stay. The table holds
    every metric, and SuperGLUE's average where all of it was run; the plots
    hold the first metric of each task.

    Args:
        results: iterable of `TaskResult`.
        folder: path. Made if missing.
        tasks: iterable of `Task`, for titles and what guessing gets. Defaults
            to `()`: names are the titles.
        title: string. Defaults to `"Evaluation"`.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If there are no results.

    Example:

    ```python
    from keras_gpt3.evaluation import write_report
    from keras_gpt3.evaluation import TaskResult

    result = TaskResult(
        "piqa", "mine", 0, 0, "accuracy", 0.6, 0.01, (0.58, 0.62), 1838, 0.0
    )
    write_report([result], "report")
    ```
    """
    results, tasks = list(results), [*tasks, SUPERGLUE]
    if not results:
        raise ValueError(
            "A report must have results to show. Received: results=[]. "
            "Evaluate a model first."
        )
    shown = [*results, *superglue_averages(results)]
    table = ReportSection(
        "Scores", columns=COLUMNS, rows=tuple(table_rows(shown, tasks))
    )
    notes = ReportSection("Notes", (*_NOTES, *_task_notes(shown, tasks)))
    aggregate = aggregate_section(results)
    means = [] if aggregate is None else [aggregate]
    report.write_report(
        folder,
        "report",
        title,
        [table, notes, *means, *_plots(_main_results(shown), tasks)],
        [dataclasses.asdict(result) for result in results],
        pictures=("shots.png", "sizes.png", AGGREGATE_PICTURE),
        json_name=RESULTS_FILE,
    )


def _task_notes(results, tasks):
    """In what scores differ from the paper's that stand beside them."""
    beside = {
        result.task
        for result in results
        if published_values(result.task, result.metric)
    }
    return [
        f"{task.title}: {task.note}"
        for task in tasks
        if task.note and task.name in beside
    ]


def _main_results(results):
    """Those of the metric of each task that comes first."""
    metrics = {}
    for result in results:
        metrics.setdefault(result.task, result.metric)
    return [r for r in results if r.metric == metrics[r.task]]


def _plots(results, tasks):
    """Sections of what there is to draw."""
    shots = {}
    for r in results:
        shots.setdefault(r.task, set()).add(r.shots)
    if any(len(counts) > 1 for counts in shots.values()):
        yield ReportSection(
            "Scores over the demonstrations in the prompt",
            figure=plot_shots(results, tasks),
            picture="shots.png",
        )
    if any(r.num_parameters is not None for r in results):
        yield ReportSection(
            "Scores over the size of the model",
            figure=plot_sizes(results, tasks),
            picture="sizes.png",
        )


SUPERGLUE = Task(
    name="superglue",
    title="SuperGLUE",
    paper="Section 3.7, Figure 3.8, Table H.1",
    fields={},
    context="",
    target="",
    scoring="none",
    metrics=(),
    shots=32,
    note=(
        "The average over the eight tasks, where all were run; of a task with "
        "two metrics their mean counts. Its standard error is an upper bound, "
        "its interval a normal one."
    ),
)
# Standard errors on each side of a normal 95% interval.
_WIDTH = 1.96


def superglue_averages(results):
    """Average the eight tasks, where all were run with the same model and K.

    Tasks are independent, so their errors add up in squares. Two metrics of
    one task are not: the error of their mean is at most the mean of theirs,
    which is taken.
    """
    if len({result.task for result in results}) < 8:
        return []  # The tasks' files need not be read.
    settings = {}
    for result in results:
        key = (result.model, result.shots, result.seed)
        found = settings.setdefault(key, {})
        found[result.task, result.metric] = result
    tasks = [shipped_tasks()[name] for name in task_groups()["superglue"]]
    wanted = {(task.name, m) for task in tasks for m in task.metrics}
    return [
        _average(tasks, found)
        for found in settings.values()
        if wanted <= found.keys()
    ]


def _average(tasks, found):
    """The average of a dict from pair of task and metric to `TaskResult`."""
    # Of a task with two metrics their mean counts.
    parts = [[found[task.name, m] for m in task.metrics] for task in tasks]
    firsts = [part[0] for part in parts]
    value = statistics.fmean(_mean(part, "value") for part in parts)
    errors = [_mean(part, "standard_error") for part in parts]
    error = math.hypot(*errors) / len(parts)
    return TaskResult(
        task="superglue",
        model=firsts[0].model,
        shots=firsts[0].shots,
        seed=firsts[0].seed,
        metric="average",
        value=value,
        standard_error=error,
        interval=(value - _WIDTH * error, value + _WIDTH * error),
        num_examples=sum(result.num_examples for result in firsts),
        mean_shots=statistics.fmean(result.mean_shots for result in firsts),
        num_parameters=firsts[0].num_parameters,
    )


def _mean(results, name):
    return statistics.fmean(getattr(result, name) for result in results)
