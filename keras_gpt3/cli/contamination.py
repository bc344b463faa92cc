"""`keras-gpt3 contamination CORPUS...`: has a model seen the tests before?"""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.options import Tokenizer
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "corpora": "What the model was trained on: folders of token shards, or "
    "files and folders as prepare takes them.",
    "tasks": "Names of tasks or groups, with commas between.",
    "splits": "test, dev, or both with a comma between: dev is a task's "
    "development set, where it has one beside what is asked.",
    "data": "A folder of the tasks' records. Default: Hugging Face's hub.",
    "texts": 'A .jsonl of objects with a "text" and perhaps a number "score"; '
    "may be repeated.",
    "outcomes": "A file of evaluate's outcomes, for the scores of its task; "
    "one a task.",
    "seed": "Of generated tasks, as in evaluate.",
    "ngram": "Words in an n-gram. Default: the 5th percentile of the examples' "
    "length, from 8 to 13, or shorter for generated tasks.",
    "out": "The folder of contamination.md, .html, .json and, with scores, "
    ".png.",
}
_option = options_with(_HELP)
_OUT = pathlib.Path("contamination")


def contamination_command(
    corpora: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="CORPUS...", help=_HELP["corpora"]),
    ],
    tasks: Annotated[str | None, _option("tasks")] = None,
    splits: Annotated[str, _option("splits")] = "test",
    data: Annotated[pathlib.Path | None, _option("data")] = None,
    texts: Annotated[list[pathlib.Path] | None, _option("texts")] = None,
    outcomes: Annotated[list[pathlib.Path] | None, _option("outcomes")] = None,
    seed: Annotated[int, _option("seed")] = 0,
    preset: Tokenizer = "gpt3_small_en",
    ngram: Annotated[int | None, _option("ngram")] = None,
    out: Annotated[pathlib.Path, _option("out")] = _OUT,
    verbose: Verbose = None,
) -> None:
    """Find evaluation examples that share an n-gram with the training text.

    Standard output gets Table C.1 of the paper for them, with its own row below
    each task that it has, and nothing else.
    Exits with 0, or with 2 if an argument or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.data.corpus_texts import CorpusTexts
        from keras_gpt3.evaluation.contamination import contamination
        from keras_gpt3.evaluation.contamination import contamination_report
        from keras_gpt3.evaluation.contamination.table_c1 import (
            published_contamination,
        )
        from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer

        # Before the hours that a large corpus may take.
        check_is_free(out, lambda path: True)
        sets, scores, synthetic = _sets(
            tasks, splits.split(","), data, seed, texts or []
        )
        scores |= _scores(outcomes or [], sets)
        tokenizer = GPT3Tokenizer.from_preset(preset)
        documents = CorpusTexts(corpora, tokenizer)
        found = contamination.check_contamination(
            sets, documents, ngram, verbose, synthetic
        )
        results = _with_scores(found, scores)
        rows = published_contamination(found)
        contamination_report.write_contamination_report(results, out, rows)
    typer.echo(
        contamination_report.contamination_table(results, rows), nl=False
    )
    typer.echo(f"Report written to {out / 'contamination.html'}", err=True)


def _sets(tasks, splits, data, seed, texts):
    """The examples, the scores of texts, and which sets were generated."""
    from keras_gpt3.evaluation.contamination.contamination import (
        read_scored_texts,
    )
    from keras_gpt3.evaluation.task_definitions.task_data import (
        compared_examples,
    )
    from keras_gpt3.evaluation.task_definitions.task_file import find_tasks

    sets, scores, synthetic = {}, {}, []
    for task in [] if tasks is None else find_tasks(tasks):
        found = compared_examples(task, splits, data, seed)
        if "dev" in splits and f"{task.name}, dev" not in found:
            typer.echo(f"{task.name} has no development set.", err=True)
        sets |= found
        if task.generator is not None:
            synthetic.append(task.name)
    for path in texts:
        sets[str(path)], scores[str(path)] = read_scored_texts(path)
    if not sets and tasks is not None:
        raise ValueError(
            "A task must have one of the splits to compare. Received: "
            f"splits={','.join(splits)}, of which these tasks have none. Add "
            "test."
        )
    if not sets:
        raise ValueError(
            "There must be something to compare. Received: neither --tasks nor "
            "--texts. Name a task, or a file of texts."
        )
    return sets, scores, synthetic


def _scores(outcomes, sets):
    """The scores in the files of outcomes, by task."""
    from keras_gpt3.evaluation.contamination.contamination_scores import (
        read_outcome_scores,
    )

    scores, paths = {}, {}
    for path in outcomes:
        task, values = read_outcome_scores(path, sets)
        if task in scores:
            raise ValueError(
                "There must be at most one file of outcomes for a task. "
                f"Received: '{paths[task]}' and '{path}', both of {task}. "
                "Name one of them."
            )
        scores[task], paths[task] = values, path
    return scores


def _with_scores(found, scores):
    from keras_gpt3.evaluation.contamination.contamination_scores import (
        contamination_scores,
    )

    return {
        name: (
            contamination,
            contamination_scores(contamination, scores[name])
            if scores.get(name) is not None
            else None,
        )
        for name, contamination in found.items()
    }
