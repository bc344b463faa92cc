"""Zero-, one- and few-shot evaluation of a model (section 2.4)."""

import dataclasses
import hashlib

from keras_gpt3.evaluation.asking import ask
from keras_gpt3.evaluation.evaluation_progress import evaluation_progress
from keras_gpt3.evaluation.model_fingerprint import model_fingerprint
from keras_gpt3.evaluation.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.question import make_questions
from keras_gpt3.evaluation.task import Task
from keras_gpt3.evaluation.task_data import task_examples
from keras_gpt3.evaluation.task_metrics import mean_shots
from keras_gpt3.evaluation.task_metrics import task_metric
from keras_gpt3.evaluation.task_result import TaskResult
from keras_gpt3.evaluation.task_table import find_tasks
from keras_gpt3.integer_argument import check_integer


def evaluate(
    model,
    tasks,
    shots=None,
    seed=0,
    *,
    data=None,
    records=None,
    limit=None,
    draws=None,
    batch_size=8,
    cache=None,
    name=None,
    verbose="auto",
):
    """Puts a model through tasks, given as text alone: no gradient is taken.

    For each example K demonstrations are drawn from the training split, as
    many as fit the model's context, and stand before its question. What counts
    as an answer is the task's affair: the likeliest choice per token, the
    likeliest against its own likelihood, or a text by beam search. All is a
    function of the seed.

    Args:
        model: `GPT3` with a preprocessor.
        tasks: string with commas, or list, of names of tasks and groups, paths
            of YAML files, and `Task`s.
        shots: int or sequence of ints. K. Defaults to `None`, each task's own
            of Table H.1.
        seed: int. Of the demonstrations, and of generated tasks. Defaults to
            `0`.
        data: path. A folder of local records, `FOLDER/TASK/train.jsonl` and
            `test.jsonl`. Defaults to `None`: Hugging Face's hub.
        records: dict from a task's name to a dict of `"train"` and `"test"`,
            lists of records, in place of files. Defaults to `None`.
        limit: int. Evaluate only so many examples of each task, the first.
            Defaults to `None`, all.
        draws: int. How many different draws the examples share. With `1` all
            have the same demonstrations, which are then read once. Defaults to
            `None`: each example has its own, as in the paper.
        batch_size: int. Rows that the model reads at a time. Defaults to `8`.
        cache: path. A folder where each outcome is kept, so that what was
            evaluated before is not again. Defaults to `None`.
        name: string. What results call the model. Defaults to `None`, its
            own name.
        verbose: `"auto"`, bool. Whether to show progress; `"auto"` does on a
            terminal. Defaults to `"auto"`.

    Returns:
        A list of `TaskResult`, task by task, and K by K. Tasks without a
        score, which only write texts, give none: these are in `cache`.

    Raises:
        FileNotFoundError: If a file of records is not there.
        ImportError: If a package of the extra `evaluate` is missing.
        OSError: If a dataset cannot be loaded.
        ValueError: If there is no such task, K is larger than the training
            split, a prompt cannot fit, a record is damaged, or the model has
            no preprocessor.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.evaluate import evaluate

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    (result,) = evaluate(model, "two_digit_addition", shots=2, limit=2)
    result.value, result.interval
    ```
    """
    if model.preprocessor is None:
        raise ValueError(
            "A model must have a preprocessor to be evaluated on texts. "
            f"Received: {model.name} without one. Load it with its tokenizer."
        )
    tasks = _as_tasks(tasks)
    unscored = [task.name for task in tasks if not task.metrics]
    if unscored and cache is None:
        raise ValueError(
            "cache must be a folder for tasks that write texts without a "
            f"score. Received: cache=None, task={unscored[0]}. Pass one."
        )
    for key, value in (("limit", limit), ("draws", draws)):
        if value is not None:
            check_integer(key, value, minimum=1)
    run = _Run(model, seed, draws, batch_size, cache, name or model.name)
    results = []
    for task in tasks:
        source = (data, (records or {}).get(task.name), seed)
        test = task_examples(task, "test", *source)[:limit]
        counts = _as_list(task.shots if shots is None else shots)
        train = task_examples(task, "train", *source) if any(counts) else []
        for count in counts:
            check_integer("shots", count, minimum=0)
            outcomes = run.outcomes(task, train, test, count, verbose)
            if task.metrics:
                results.append(run.result(task, test, count, outcomes))
    return results


class _Run:
    """What does not change from task to task."""

    def __init__(self, model, seed, draws, batch_size, cache, name):
        self.model, self.seed, self.draws = model, seed, draws
        self.batch_size, self.cache, self.name = batch_size, cache, name
        self.fingerprint = None if cache is None else model_fingerprint(model)

    def outcomes(self, task, train, test, shots, verbose):
        """The outcomes of all examples, in their order."""
        names = {
            "task": task.name,
            "shots": shots,
            "seed": self.seed,
            "model": self.fingerprint,
            "draws": self.draws,
            "content": _digest(task, train, test),
        }
        with OutcomeCache(self.cache, names) as cache:
            questions = make_questions(
                self.model, task, train, test, shots, self.seed, self.draws
            )
            waiting = (q for q in questions if q.index not in cache.outcomes)
            with evaluation_progress(
                f"{task.name}, K = {shots}",
                len(test),
                len(cache.outcomes),
                verbose,
            ) as advance:
                for found in ask(self.model, task, waiting, self.batch_size):
                    cache.add(found)
                    advance(len(found))
            return [cache.outcomes[index] for index in range(len(test))]

    def result(self, task, examples, shots, outcomes):
        """The metrics of a task."""
        found = {
            metric: task_metric(metric, examples, outcomes)
            for metric in task.metrics
        }
        value, error, interval = found[task.metrics[0]]
        return TaskResult(
            task=task.name,
            model=self.name,
            shots=shots,
            seed=self.seed,
            metric=task.metrics[0],
            value=value,
            standard_error=error,
            interval=interval,
            num_examples=len(examples),
            mean_shots=mean_shots(outcomes),
            num_parameters=self.model.count_params(),
            extra={m: found[m][0] for m in task.metrics[1:]},
        )


def _as_tasks(tasks):
    """Tasks by name, and those that are given as such."""
    if isinstance(tasks, Task):
        return [tasks]
    if isinstance(tasks, str):
        return find_tasks(tasks)
    found = []
    for task in tasks:
        found += [task] if isinstance(task, Task) else find_tasks([task])
    return found


def _as_list(shots):
    return list(shots) if isinstance(shots, (list, tuple, range)) else [shots]


def _digest(task, train, test):
    """What changes if the task or its data do."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (task, train, test):
        parts = part if isinstance(part, list) else [part]
        for one in parts:
            digest.update(repr(dataclasses.astuple(one)).encode())
        digest.update(b"\0")
    return digest.hexdigest()
