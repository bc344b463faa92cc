"""Zero-, one- and few-shot evaluation of a model (section 2.4)."""

import contextlib
import dataclasses
import logging

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.evaluation.few_shot.evaluation_set import load_evaluation_sets
from keras_gpt3.evaluation.few_shot.example_scoring import score_examples
from keras_gpt3.evaluation.few_shot.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.few_shot.outcome_cache import content_digest
from keras_gpt3.evaluation.few_shot.outcome_cache import model_fingerprint
from keras_gpt3.evaluation.few_shot.question import check_questions
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.few_shot.rolling_text import score_text
from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.metrics.bleu import import_sacremoses
from keras_gpt3.evaluation.metrics.task_metrics import is_counted
from keras_gpt3.evaluation.metrics.task_metrics import mean_shots
from keras_gpt3.evaluation.metrics.task_metrics import task_metric
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.evaluation.task_definitions.task_rules import is_drawn
from keras_gpt3.reporting.progress import ProgressBar


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
    samples=None,
    batch_size=8,
    cache=None,
    name=None,
    verbose="auto",
):
    """Put a model through tasks, given as text alone: no gradient is taken.

    For each example K demonstrations are drawn from the training split, as
    many as fit the model's context, and stand before its question. What counts
    as an answer is the task's affair: the likeliest choice per token, the
    likeliest against its own likelihood, or a text by beam search. All is a
    function of the seed.

    Args:
        model: `GPT3` with a preprocessor.
        tasks: string with commas, or list. Names of tasks and groups, paths of
            YAML files, and `Task`s.
        shots: int or sequence of ints. K. Defaults to `None`, each task's own
            of Table H.1.
        seed: int. Of the demonstrations, and of generated tasks. Defaults to
            `0`.
        data: path. A folder of local records, `FOLDER/TASK/train.jsonl` and
            `test.jsonl`. Defaults to `None`: Hugging Face's hub.
        records: dict. From a task's name to a dict of `"train"` and `"test"`,
            lists of records, in place of files. Defaults to `None`.
        limit: int. Evaluate only so many examples of each task, the first;
            with a cache a later run resumes with the others. Defaults to
            `None`, all.
        draws: int. How many different draws the examples share. With `1` all
            have the same demonstrations, which are then read once. Defaults to
            `None`: each example has its own, as in the paper.
        samples: int. Texts of each record, of tasks that write texts without a
            score. Defaults to `None`, each task's own.
        batch_size: int. Rows that the model reads at a time. Defaults to `8`.
        cache: path. A folder where each outcome is kept, so that what was
            evaluated before is not again, unless model, task or records are
            others. Defaults to `None`.
        name: string. What results call the model. Defaults to `None`, its
            own name.
        verbose: `"auto"`, bool. Whether to show progress; `"auto"` does on a
            terminal. Defaults to `"auto"`.

    Returns:
        A list of `TaskResult`, task by task, K by K, and one for each metric
        of the task, the main one first. Tasks without a score, which only
        write texts, give none: these are in `cache`.

    Raises:
        FileNotFoundError: If a file of records is not there.
        ImportError: If a package of the extra `evaluate` is missing, or for
            translation one of the extra `translation`.
        OSError: If a dataset cannot be loaded.
        ValueError: If there is no such task, K is larger than the training
            split, a prompt cannot fit, a record is damaged, an argument is out
            of its range, or the model has no preprocessor. All this is
            checked before the model computes anything.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation import evaluate

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    (result,) = evaluate(model, "two_digit_addition", shots=2, limit=2)
    result.value, result.interval
    ```
    """
    run = EvaluationRun(
        tasks,
        shots,
        seed,
        data=data,
        records=records,
        limit=limit,
        draws=draws,
        samples=samples,
        batch_size=batch_size,
        cache=cache,
        name=name,
        verbose=verbose,
    )
    return [result for results in run(model) for result in results]


@dataclasses.dataclass
class EvaluationRun:
    """Tasks and settings of an evaluation, all of them checked.

    The arguments are those of `evaluate`. What is wrong with them or with the
    records raises before a model is needed.
    """

    tasks: object
    shots: object = None
    seed: int = 0
    _: dataclasses.KW_ONLY
    data: object = None
    records: dict | None = None
    limit: int | None = None
    draws: int | None = None
    samples: int | None = None
    batch_size: int = 8
    cache: object = None
    name: str | None = None
    verbose: object = "auto"

    def __post_init__(self):
        check_integer("seed", self.seed, minimum=0)
        check_integer("batch_size", self.batch_size, minimum=1)
        for name in ("limit", "draws", "samples"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), minimum=1)
        self.tasks = _with_samples(_as_tasks(self.tasks), self.samples)
        # Of tasks without a score: what `write_texts` writes.
        self.written = []
        _check_scores(self.tasks, self.cache)
        if any("multi_bleu" in task.metrics for task in self.tasks):
            import_sacremoses()
        self._sets = load_evaluation_sets(
            self.tasks, self.shots, self.seed, self.data, self.records
        )

    def __call__(self, model):
        check_model(model)
        for one in self._sets:
            check_questions(model, one.task, one.test[: self.limit])
        fingerprint = None if self.cache is None else model_fingerprint(model)
        for one in self._sets:
            for shots in one.shots:
                with quiet_tracing():
                    outcomes = self._outcomes(model, fingerprint, one, shots)
                if one.task.metrics:
                    yield self._results(model, one, shots, outcomes)
                else:
                    test = self._test(one)
                    self.written.append((one.task, shots, test, outcomes))

    def _test(self, one):
        """The examples that are asked, each as often as it has samples."""
        samples = one.task.samples
        asked = one.test[: self.limit]
        return [example for example in asked for _ in range(samples)]

    def _outcomes(self, model, fingerprint, one, shots):
        """The outcomes of all examples, in their order."""
        test, train, excluded = self._test(one), one.train, one.twins
        samples = one.task.samples
        if not shots:  # Then these do not affect the results.
            train, excluded = [], {}
        names = {
            "task": one.task.name,
            "shots": shots,
            "seed": self.seed,
            "model": fingerprint,
            "draws": self.draws,
            "content": content_digest(one.task, train, bool(excluded)),
        }
        if samples > 1:
            names["samples"] = samples
        digests = [e.digest for e in one.test for _ in range(samples)]
        with OutcomeCache(self.cache, names, digests) as cache:
            known = cache.outcomes.keys() & set(range(len(test)))
            if one.task.scoring == "rolling":
                found = score_text(model, test, known, self.batch_size)
            else:
                questions = make_questions(
                    model,
                    one.task,
                    train,
                    test,
                    shots,
                    seed=self.seed,
                    draws=self.draws,
                    known=known,
                    excluded=excluded,
                    samples=samples,
                )
                found = score_examples(
                    model, one.task, questions, self.batch_size, self.seed
                )
            title = f"{one.task.name}, K = {shots}"
            with ProgressBar(
                title, len(test), len(known), self.verbose, "examples"
            ) as bar:
                for outcome in found:
                    cache.add([outcome])
                    bar.advance()
            return [cache.outcomes[index] for index in range(len(test))]

    def _results(self, model, one, shots, outcomes):
        """One for each metric of a task."""
        test = one.test[: self.limit]
        results = []
        for metric in one.task.metrics:
            value, error, interval = task_metric(metric, test, outcomes)
            results.append(
                TaskResult(
                    task=one.task.name,
                    model=self.name or model.name,
                    shots=shots,
                    seed=self.seed,
                    metric=metric,
                    value=value,
                    standard_error=error,
                    interval=interval,
                    num_examples=sum(is_counted(metric, e) for e in test),
                    mean_shots=mean_shots(outcomes),
                    num_parameters=model.count_params(),
                    draws=self.draws if shots else None,
                )
            )
        return results


def _as_tasks(tasks):
    """Tasks by name, and those that are given as such."""
    if isinstance(tasks, Task):
        return [tasks]
    if isinstance(tasks, str):
        return list(find_tasks(tasks))
    found = []
    for task in tasks:
        found += [task] if isinstance(task, Task) else find_tasks([task])
    return found


def _with_samples(tasks, samples):
    """Tasks that write so many texts of each record, where they write any."""
    if samples is None:
        return tasks
    drawn = [not task.metrics and is_drawn(task) for task in tasks]
    if not any(drawn) and samples > 1:
        raise ValueError(
            "samples must be given for a task that draws texts without a "
            f"score. Received: samples={samples}, "
            f"tasks={', '.join(task.name for task in tasks)}. Leave it out."
        )
    pairs = zip(tasks, drawn, strict=True)
    return [
        dataclasses.replace(task, samples=samples) if draws else task
        for task, draws in pairs
    ]


def _check_scores(tasks, cache):
    unscored = [task.name for task in tasks if not task.metrics]
    if unscored and cache is None:
        raise ValueError(
            "cache must be a folder for tasks that write texts without a "
            f"score. Received: cache=None, task={unscored[0]}. Pass one."
        )


def check_model(model):
    """Raise unless a model reads texts."""
    if model.preprocessor is None:
        raise ValueError(
            "A model must have a preprocessor to be evaluated on texts. "
            f"Received: {model.name} without one. Load it with its tokenizer."
        )


@contextlib.contextmanager
def quiet_tracing():
    """Drop TensorFlow's warnings of frequent retracing, and no others.

    A model has a graph for each shape that it meets, which is traced once.
    TensorFlow counts all of them as one function, since their code is the
    same, and takes the first few shapes for a mistake.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_other)
    try:
        yield
    finally:
        logger.removeFilter(_is_other)


def _is_other(record):
    return "triggered tf.function retracing" not in record.getMessage()
