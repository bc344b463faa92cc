"""A report of results: Markdown and one HTML file, with tables and plots."""

import html

from keras_gpt3.evaluation.html_page import html_image
from keras_gpt3.evaluation.html_page import html_page
from keras_gpt3.evaluation.html_page import html_table
from keras_gpt3.evaluation.results_file import write_results
from keras_gpt3.evaluation.results_table import COLUMNS
from keras_gpt3.evaluation.results_table import markdown_table
from keras_gpt3.evaluation.results_table import table_rows
from keras_gpt3.evaluation.shots_plot import plot_shots
from keras_gpt3.evaluation.size_plot import plot_sizes
from keras_gpt3.replaced_folder import replaced_folder

# All that a report consists of: an earlier one's files go.
_OWNED = ("report.md", "report.html", "results.json", "shots.png", "sizes.png")

_NOTES = (
    "Intervals are the bootstrap's 95% over examples: they do not hold what "
    "another draw of demonstrations would change.",
    "The paper's values are those of Table H.1, of its own models and prompts; "
    "few-shot ones are of the paper's K.",
)


def write_report(results, folder, tasks=(), title="Evaluation"):
    """Writes a report into a folder, whole or not at all.

    The files are `report.md`, `report.html`, which needs no other file,
    `results.json` for `read_results`, and the plots: `shots.png` where a task
    has results of several K, and `sizes.png` where sizes of models are known.
    Those of an earlier report are replaced; other files stay.

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
    results, tasks = list(results), list(tasks)
    if not results:
        raise ValueError(
            "A report must have results to show. Received: results=[]. "
            "Evaluate a model first."
        )
    rows = table_rows(results, tasks)
    with replaced_folder(folder, lambda path: True, _OWNED) as new:
        plots = _draw(results, tasks, new)
        write_results(results, new / "results.json")
        text = _markdown(title, rows, plots)
        (new / "report.md").write_text(text, "utf-8")
        text = html_page(title, _body(rows, plots, new))
        (new / "report.html").write_text(text, "utf-8")


def _draw(results, tasks, folder):
    """Draws what there is to draw: a dict from file name to what it shows."""
    plots = {}
    shots = {}
    for r in results:
        shots.setdefault((r.task, r.metric), set()).add(r.shots)
    if any(len(counts) > 1 for counts in shots.values()):
        plot_shots(results, tasks, folder / "shots.png")
        plots["shots.png"] = "Scores over the demonstrations in the prompt"
    if any(r.num_parameters is not None for r in results):
        plot_sizes(results, tasks, folder / "sizes.png")
        plots["sizes.png"] = "Scores over the size of the model"
    return plots


def _markdown(title, rows, plots):
    parts = [f"# {title}\n", markdown_table(COLUMNS, rows)]
    parts += [f"{note}\n" for note in _NOTES]
    parts += [f"## {text}\n\n![{text}]({n})\n" for n, text in plots.items()]
    return "\n".join(parts)


def _body(rows, plots, folder):
    parts = [html_table(COLUMNS, rows)]
    parts += [f"<p>{html.escape(note)}</p>\n" for note in _NOTES]
    for name, text in plots.items():
        parts += [f"<h2>{html.escape(text)}</h2>\n"]
        parts += [html_image(folder / name, text)]
    return "".join(parts)
