"""The average over SuperGLUE's eight tasks, as in the paper's Figure 3.8."""

import math
import statistics

from keras_gpt3.evaluation.task import Task
from keras_gpt3.evaluation.task_result import TaskResult

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
# Task -> its metrics, whose mean counts where there are two.
_METRICS = {
    "boolq": ("accuracy",),
    "cb": ("accuracy", "macro_f1"),
    "copa": ("accuracy",),
    "rte": ("accuracy",),
    "wic": ("accuracy",),
    "wsc": ("accuracy",),
    "multirc": ("accuracy", "f1_answers"),
    "record": ("accuracy", "f1"),
}
# Standard errors on each side of a normal 95% interval.
_WIDTH = 1.96


def superglue_averages(results):
    """Averages the eight tasks, where all were run with the same model and K.

    Tasks are independent, so their errors add up in squares. Two metrics of
    one task are not: the error of their mean is at most the mean of theirs,
    which is taken.
    """
    settings = {}
    for result in results:
        key = (result.model, result.shots, result.seed)
        found = settings.setdefault(key, {})
        found[result.task, result.metric] = result
    wanted = {(task, m) for task, metrics in _METRICS.items() for m in metrics}
    return [
        _average(found) for found in settings.values() if wanted <= found.keys()
    ]


def _average(found):
    """The average of a dict from pair of task and metric to `TaskResult`."""
    parts = [
        [found[task, metric] for metric in metrics]
        for task, metrics in _METRICS.items()
    ]
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
