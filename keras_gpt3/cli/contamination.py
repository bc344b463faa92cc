"""`keras-gpt3 contamination CORPUS...`: has a model seen the tests before?"""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "corpora": "What the model was trained on: folders of token shards, or "
    "files and folders as prepare takes them.",
    "tasks": "Names of tasks or groups, with commas between.",
    "data": "A folder of the tasks' records. Default: Hugging Face's hub.",
    "texts": 'A .jsonl of objects with a "text" and perhaps a number "score"; '
    "may be repeated.",
    "outcomes": "A file of the results cache, for the scores of its task; may "
    "be repeated.",
    "seed": "Of generated tasks, as in evaluate.",
    "preset": "Whose tokenizer wrote the shards: a preset's name or the folder "
    "of a model.",
    "ngram": "Words in an n-gram. Default: the 5th percentile of the examples' "
    "length, from 8 to 13.",
    "out": "Folder for contamination.md, .html, .json and .png.",
}


def _option(name):
    return typer.Option(help=_HELP[name])


def contamination_command(
    corpora: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="CORPUS...", help=_HELP["corpora"]),
    ],
    tasks: Annotated[str | None, _option("tasks")] = None,
    data: Annotated[pathlib.Path | None, _option("data")] = None,
    texts: Annotated[list[pathlib.Path] | None, _option("texts")] = None,
    outcomes: Annotated[list[pathlib.Path] | None, _option("outcomes")] = None,
    seed: Annotated[int, _option("seed")] = 0,
    preset: Annotated[str, _option("preset")] = "gpt3_small_en",
    ngram: Annotated[int | None, _option("ngram")] = None,
    out: Annotated[pathlib.Path | None, _option("out")] = None,
) -> None:
    """Find evaluation examples that share an n-gram with the training text.

    Prints Table C.1 of the paper for them. Exits with 0, or with 2 if an
    argument or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.data.corpus_texts import CorpusTexts
        from keras_gpt3.evaluation.contamination import check_contamination
        from keras_gpt3.evaluation.contamination_report import (
            contamination_table,
        )
        from keras_gpt3.evaluation.contamination_report import (
            write_contamination_report,
        )
        from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer

        sets, scores = _sets(tasks, data, seed, texts or [])
        scores |= _scores(outcomes or [], sets, seed)
        tokenizer = GPT3Tokenizer.from_preset(preset)
        documents = CorpusTexts(corpora, tokenizer)
        found = check_contamination(sets, documents, ngram, progress=True)
        results = _with_scores(found, scores)
        if out is not None:
            write_contamination_report(results, out)
    typer.echo(contamination_table(results), nl=False)


def _sets(tasks, data, seed, texts):
    """The examples, and the scores of texts, by set."""
    from keras_gpt3.evaluation.scored_texts import read_scored_texts
    from keras_gpt3.evaluation.task_data import task_examples
    from keras_gpt3.evaluation.task_table import find_tasks

    sets, scores = {}, {}
    if tasks is not None:
        for task in find_tasks(tasks):
            sets[task.name] = task_examples(task, "test", data, seed=seed)
    for path in texts:
        sets[str(path)], scores[str(path)] = read_scored_texts(path)
    if not sets:
        raise ValueError(
            "There must be something to compare. Received: neither --tasks nor "
            "--texts. Name a task, or a file of texts."
        )
    return sets, scores


def _scores(outcomes, sets, seed):
    """The scores in the files of outcomes, by task."""
    from keras_gpt3.evaluation.outcome_scores import read_outcome_scores

    scores = {}
    for path in outcomes:
        names, values = read_outcome_scores(path)
        task = names["task"]
        # The seed decides what the examples of a generated task are.
        found_seed = names.get("seed", seed)
        if len(values) != len(sets.get(task, ())) or found_seed != seed:
            raise ValueError(
                "Outcomes must be of all examples of one of the tasks, with "
                f"their seed. Received: file='{path}', task={task}, "
                f"examples={len(values)}, seed={found_seed}. Add the task to "
                "--tasks, set --seed, or leave the file out."
            )
        scores[task] = values
    return scores


def _with_scores(found, scores):
    from keras_gpt3.evaluation.contamination_scores import contamination_scores

    return {
        name: (
            contamination,
            contamination_scores(contamination, scores[name])
            if scores.get(name) is not None
            else None,
        )
        for name, contamination in found.items()
    }
