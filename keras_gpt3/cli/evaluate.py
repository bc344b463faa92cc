"""`keras-gpt3 evaluate --model M --tasks TASKS`: the paper's few-shot tasks."""

import itertools
import pathlib
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from keras_gpt3.cli.options import Adapter
from keras_gpt3.cli.options import DType
from keras_gpt3.cli.options import Model
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "tasks": "Names of tasks or groups (arithmetic, scramble, superglue, all), "
    "or YAML files of your own, with commas between.",
    "shots": "K, with commas between. Default: each task's own of Table H.1.",
    "out": "The folder of the report, which is replaced (keep what it holds "
    "by --with); outcomes are kept in it: rerunning the command resumes.",
    "data": "A folder with TASK/train.jsonl and TASK/test.jsonl, or with the "
    "files that OpenAI published of generated tasks, or ptb.test.txt. Default: "
    "the datasets of Hugging Face's hub.",
    "seed": "Of demonstrations and of generated tasks.",
    "limit": "Evaluate only so many examples of each task.",
    "draws": "Different draws of demonstrations that the examples share: with "
    "1 they are read once. Default: each example has its own, as in the paper.",
    "samples": "Texts of each record, of tasks that only write texts. Default: "
    "each task's own.",
    "batch_size": "Rows that the model reads at a time.",
    "name": "What the report calls the model. Default: MODEL.",
    "others": "The report's folder of another model, whose results on these "
    "tasks stand beside this one's. May be given several times.",
}
_option = options_with(_HELP)
# The task and what was measured of it are what a row is about.
_OWN = ("Task", "Value ± standard error", "95% interval")
# A terminal has no room for these.
_OF_REPORTS = ("Test server, 175B", "Fine-tuned SOTA")


def evaluate_command(
    model: Model,
    tasks: Annotated[str, _option("tasks")],
    shots: Annotated[str | None, _option("shots")] = None,
    out: Annotated[pathlib.Path, _option("out")] = pathlib.Path("evaluation"),
    data: Annotated[pathlib.Path | None, _option("data")] = None,
    seed: Annotated[int, _option("seed")] = 0,
    limit: Annotated[int | None, _option("limit")] = None,
    draws: Annotated[int | None, _option("draws")] = None,
    samples: Annotated[int | None, _option("samples")] = None,
    batch_size: Annotated[int, _option("batch_size")] = 8,
    dtype: DType = None,
    adapter: Adapter = None,
    name: Annotated[str | None, _option("name")] = None,
    others: Annotated[
        list[pathlib.Path] | None, _option("others", "--with")
    ] = None,
    verbose: Verbose = None,
) -> None:
    """Evaluate a model with K demonstrations in its prompt, and no training.

    Writes report.md, report.html, results.json and plots, and the outcome of
    each example under outcomes; for tasks without a score texts.md. Exits with
    0; with 2 if an argument or a file is wrong; with 1 if the run went wrong:
    the report is of what was finished.
    """
    with user_errors():
        settings = {
            "shots": _integers(shots),
            "seed": seed,
            "data": data,
            "limit": limit,
            "draws": draws,
            "samples": samples,
            "batch_size": batch_size,
            "name": name or model,
            "verbose": verbose,
        }
        _evaluate(model, tasks, out, dtype, adapter, others or [], settings)


def _integers(text):
    """The numbers between commas; `None` where none are given."""
    if text is None:
        return None
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(
            "shots must be integers with commas between. Received: "
            f"shots={text}. Pass 0,1,50 for instance."
        ) from None


def _evaluate(model, tasks, out, dtype, adapter, others, settings):
    from keras_gpt3.atomic_write import check_is_free
    from keras_gpt3.cli.model_loading import load_model
    from keras_gpt3.evaluation.few_shot.evaluate import EvaluationRun
    from keras_gpt3.evaluation.results.results_file import with_results_of
    from keras_gpt3.evaluation.results.written_texts import write_texts

    check_is_free(out, lambda path: True)
    # What is wrong with tasks and records costs no model.
    run = EvaluationRun(tasks, cache=out / "outcomes", **settings)
    with_results_of([], others)  # What is wrong with these neither.
    loaded = load_model(model, dtype, adapter=adapter)
    results = []
    try:
        for found in run(loaded):
            results += found
    except (ValueError, OSError, MemoryError) as error:
        if not results and not run.written:
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(code=1) from error
    finally:
        _report(results, run.tasks, out, others)
        if run.written:
            write_texts(out / "texts.md", settings["name"], run.written)
            typer.echo(f"Texts written to {out / 'texts.md'}")


def _report(results, tasks, out, others):
    """Write what was measured, and beside it what others were."""
    from keras_gpt3.evaluation.results.report import write_report
    from keras_gpt3.evaluation.results.results_file import with_results_of
    from keras_gpt3.evaluation.results.results_table import results_table
    from keras_gpt3.evaluation.results.results_table import table_rows

    if results:
        names = {task.name for task in tasks}
        joined = with_results_of(results, others)
        results = [result for result in joined if result.task in names]
        write_report(results, out, tasks)
        console = Console()
        if console.is_terminal:
            console.print(terminal_table(table_rows(results, tasks)))
        else:  # For a file, or a program.
            typer.echo(results_table(results, tasks))
        typer.echo(f"Report written to {out / 'report.html'}")
    if (out / "outcomes").is_dir():
        typer.echo(f"Outcomes written to {out / 'outcomes'}")


def terminal_table(rows):
    """Make a table for a terminal: what all rows share stands above it."""
    from keras_gpt3.evaluation.results.results_table import COLUMNS

    columns = list(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    columns = [(n, cells) for n, cells in columns if n not in _OF_REPORTS]
    own = [name in _OWN or len(set(cells)) > 1 for name, cells in columns]
    shared = [
        f"{name}: {cells[0]}"
        for (name, cells), is_own in zip(columns, own, strict=True)
        if not is_own and cells[0]
    ]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    names, rows = zip(*columns, strict=True)
    for name in itertools.compress(names, own):
        is_text = name in ("Task", "Model", "Metric")
        table.add_column(name, justify="left" if is_text else "right")
    for row in zip(*rows, strict=True):
        table.add_row(*map(escape, itertools.compress(row, own)))
    return Group(escape(", ".join(shared)), table)
