"""An evaluation that is ready to run: read, and checked."""

import dataclasses
import hashlib

from keras_gpt3.evaluation.asking import ask
from keras_gpt3.evaluation.evaluation_progress import evaluation_progress
from keras_gpt3.evaluation.evaluation_set import load_evaluation_sets
from keras_gpt3.evaluation.model_fingerprint import model_fingerprint
from keras_gpt3.evaluation.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.question import check_questions
from keras_gpt3.evaluation.question import make_questions
from keras_gpt3.evaluation.quiet_tracing import quiet_tracing
from keras_gpt3.evaluation.task import Task
from keras_gpt3.evaluation.task_metrics import mean_shots
from keras_gpt3.evaluation.task_metrics import task_metric
from keras_gpt3.evaluation.task_result import TaskResult
from keras_gpt3.evaluation.task_table import find_tasks
from keras_gpt3.integer_argument import check_integer


class EvaluationRun:
    """Tasks and settings of an evaluation, all of them checked.

    The arguments are those of `evaluate`. What is wrong with them or with the
    records is told before a model is needed.
    """

    def __init__(
        self,
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
        check_integer("seed", seed, minimum=0)
        check_integer("batch_size", batch_size, minimum=1)
        for key, value in (("limit", limit), ("draws", draws)):
            if value is not None:
                check_integer(key, value, minimum=1)
        self.tasks, self.texts = _as_tasks(tasks), {}
        _check_scores(self.tasks, cache)
        self._seed, self._draws, self._limit = seed, draws, limit
        self._batch_size, self._cache = batch_size, cache
        self._name, self._verbose = name, verbose
        self._sets = load_evaluation_sets(
            self.tasks, shots, seed, data, records
        )

    def __call__(self, model):
        _check_model(model)
        for one in self._sets:
            check_questions(model, one.task, one.test[: self._limit])
        fingerprint = None if self._cache is None else model_fingerprint(model)
        for one in self._sets:
            for shots in one.shots:
                with quiet_tracing():
                    outcomes = self._outcomes(model, fingerprint, one, shots)
                if one.task.metrics:
                    yield self._results(model, one, shots, outcomes)

    def _outcomes(self, model, fingerprint, one, shots):
        """The outcomes of all examples, in their order."""
        test, train, excluded = one.test[: self._limit], one.train, one.twins
        if not shots:  # Then these do not tell evaluations apart.
            train, excluded = [], {}
        names = {
            "task": one.task.name,
            "shots": shots,
            "seed": self._seed,
            "model": fingerprint,
            "draws": self._draws,
            "content": _digest(one.task, train, bool(excluded)),
        }
        digests = [example.digest for example in one.test]
        with OutcomeCache(self._cache, names, digests) as cache:
            if not one.task.metrics:
                self.texts[one.task.name] = cache.path
            known = cache.outcomes.keys() & set(range(len(test)))
            questions = make_questions(
                model,
                one.task,
                train,
                test,
                shots,
                seed=self._seed,
                draws=self._draws,
                known=known,
                excluded=excluded,
            )
            title = f"{one.task.name}, K = {shots}"
            with evaluation_progress(
                title, len(test), len(known), self._verbose
            ) as advance:
                found = ask(model, one.task, questions, self._batch_size)
                for outcome in found:
                    cache.add([outcome])
                    advance(1)
            return [cache.outcomes[index] for index in range(len(test))]

    def _results(self, model, one, shots, outcomes):
        """One for each metric of a task."""
        test = one.test[: self._limit]
        results = []
        for metric in one.task.metrics:
            value, error, interval = task_metric(metric, test, outcomes)
            results.append(
                TaskResult(
                    task=one.task.name,
                    model=self._name or model.name,
                    shots=shots,
                    seed=self._seed,
                    metric=metric,
                    value=value,
                    standard_error=error,
                    interval=interval,
                    num_examples=len(test),
                    mean_shots=mean_shots(outcomes),
                    num_parameters=model.count_params(),
                    draws=self._draws if shots else None,
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


def _check_scores(tasks, cache):
    unscored = [task.name for task in tasks if not task.metrics]
    if unscored and cache is None:
        raise ValueError(
            "cache must be a folder for tasks that write texts without a "
            f"score. Received: cache=None, task={unscored[0]}. Pass one."
        )


def _check_model(model):
    if model.preprocessor is None:
        raise ValueError(
            "A model must have a preprocessor to be evaluated on texts. "
            f"Received: {model.name} without one. Load it with its tokenizer."
        )


def _digest(task, train, is_one_split):
    """What changes if the task, or what is drawn from, does."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((dataclasses.astuple(task), is_one_split)).encode())
    for example in train:
        digest.update(example.digest.encode())
    return digest.hexdigest()
