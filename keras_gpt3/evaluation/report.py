"""A report of results: Markdown and one HTML file, with tables and plots."""

from keras_gpt3.evaluation.published_values import published_values
from keras_gpt3.evaluation.report_section import ReportSection
from keras_gpt3.evaluation.report_section import write_sections
from keras_gpt3.evaluation.results_file import RESULTS_FILE
from keras_gpt3.evaluation.results_file import write_results
from keras_gpt3.evaluation.results_table import COLUMNS
from keras_gpt3.evaluation.results_table import table_rows
from keras_gpt3.evaluation.shots_plot import plot_shots
from keras_gpt3.evaluation.size_plot import plot_sizes
from keras_gpt3.evaluation.superglue_average import SUPERGLUE
from keras_gpt3.evaluation.superglue_average import superglue_averages
from keras_gpt3.replaced_folder import replaced_folder

# All that a report consists of: an earlier one's files go.
_OWNED = ("report.md", "report.html", RESULTS_FILE, "shots.png", "sizes.png")

_NOTES = (
    "Intervals are the bootstrap's 95% over examples, those on one passage "
    "together: they do not hold what another draw of demonstrations would "
    "change. Where all examples are right, or all wrong, the bootstrap has no "
    "spread: there they are the 95% of Clopper and Pearson.",
    "The paper's values are those of Table H.1, of its own models and prompts; "
    "few-shot ones are of the paper's K. It prints no intervals.",
)


def write_report(results, folder, tasks=(), title="Evaluation"):
    """Writes a report into a folder, whole or not at all.

    The files are `report.md`, `report.html`, which needs no other file,
    `results.json` for `read_results`, and the plots: `shots.png` where a task
    has results of several K, and `sizes.png` where sizes of models are known.
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
    from keras_gpt3.evaluation.report import write_report
    from keras_gpt3.evaluation.task_result import TaskResult

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
    with replaced_folder(folder, lambda path: True, _OWNED) as new:
        plots = _draw(_main_results(shown), tasks, new)
        write_results(results, new / RESULTS_FILE)
        write_sections(title, [table, notes, *plots], new, "report")


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


def _draw(results, tasks, folder):
    """Draws what there is to draw: a list of `ReportSection`."""
    plots = []
    shots = {}
    for r in results:
        shots.setdefault(r.task, set()).add(r.shots)
    if any(len(counts) > 1 for counts in shots.values()):
        plot_shots(results, tasks, folder / "shots.png")
        title = "Scores over the demonstrations in the prompt"
        plots.append(ReportSection(title, plot="shots.png"))
    if any(r.num_parameters is not None for r in results):
        plot_sizes(results, tasks, folder / "sizes.png")
        title = "Scores over the size of the model"
        plots.append(ReportSection(title, plot="sizes.png"))
    return plots
