"""The mean accuracy over tasks (Figure 1.3), yours beside the paper's.

The paper's mean is over exactly the tasks that yours is over: a mean over
others would say nothing about a model.
"""

import dataclasses
import itertools
import math
import statistics

import numpy as np

from keras_gpt3.evaluation.results.plots import line_labels
from keras_gpt3.evaluation.results.results_table import published_table
from keras_gpt3.evaluation.results.results_table import published_values

SETTINGS = ("zero-shot", "one-shot", "few-shot")
# What Table H.1 calls a share of correct answers, and what results call it.
_PRINTED = ("acc", "em")
_MEASURED = (
    "accuracy",
    "exact_match",
    "squad_exact_match",
    "drop_exact_match",
    "coqa_exact_match",
)


# === The paper's tasks ===


def accuracy_rows():
    """Pick the rows of Table H.1 that Figure 1.3 averages.

    The paper says that they are 42, and does not list them. The table has 41
    rows of accuracy and one of exact match, SQuADv2's. Their means are those of
    the paper's picture to 0.3 points, which is one pixel of it.
    """
    return tuple(
        row
        for row in published_table().values()
        if row.metric in _PRINTED and row.task == row.benchmark
    )


def paper_means(rows):
    """Average rows: an array of three settings by eight sizes."""
    scores = [(row.zero_shot, row.one_shot, row.few_shot) for row in rows]
    return np.mean(scores, axis=0)


# === Tasks that were evaluated ===


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """Results of the same tasks in the same settings, for each run.

    `rows` are the paper's for these tasks, `settings` some of 0, 1 and 2.
    `runs` is a dict from a model and a seed to a dict from a setting to the
    results, in the order of `rows`. `left_out` is a dict from a task to why.
    """

    rows: tuple
    settings: tuple
    runs: dict
    left_out: dict


def aggregate(results):
    """Find the tasks and settings that runs have in common.

    Of the three settings those are taken that keep the most results: tasks
    that were not evaluated in all of them are left out. So is a run with which
    fewer results would be kept than without it, but not the first. Of several
    K above 1 the paper's counts, otherwise the largest; of two forms of a
    task, such as LAMBADA's, the first.
    """
    found, left_out = accuracies_by_task(results)
    runs = []
    for run in dict.fromkeys(run for own in found.values() for run, _ in own):
        if _kept(found, [*runs, run])[0] >= _kept(found, runs)[0]:
            runs.append(run)
        else:
            label = f"{run[0]}, seed {run[1]}"
            left_out[label] = "has too few of the tasks and settings"
    _, settings, common = _kept(found, runs)
    rows = tuple(
        row
        for row in accuracy_rows()
        if settings <= common.get(row.benchmark, set())
    )
    names = [row.benchmark for row in rows]
    for name in found.keys() - set(names):
        left_out[name] = "not evaluated in all of these settings by all"
    return Aggregate(
        rows=rows,
        settings=tuple(sorted(settings)),
        runs={
            run: {n: [found[k][run, n] for k in names] for n in settings}
            for run in runs
        },
        left_out=left_out,
    )


def accuracies_by_task(results):
    """Find what was measured of each of the paper's tasks, and what else."""
    found, left_out = {}, {}
    for result in results:
        row = published_values(result.task, result.metric)
        if row is not None and row.metric in _PRINTED:
            own = found.setdefault(row.benchmark, {})
            key = (result.model, result.seed), min(result.shots, 2)
            best = own.setdefault(key, result)
            if _nearness(result, row) > _nearness(best, row):
                own[key] = result
        elif result.metric in _MEASURED:
            left_out[result.task] = "Table H.1 has no accuracy of it"
    return found, left_out


def _nearness(result, row):
    return result.shots == row.shots, result.shots


def _kept(found, runs):
    """Choose the settings that keep the most results; count these as well."""
    common = {
        name: {n for n in range(3) if all((run, n) in own for run in runs)}
        for name, own in found.items()
    }
    subsets = [
        set(chosen)
        for count in (1, 2, 3)
        for chosen in itertools.combinations(range(3), count)
    ]

    def kept(settings):
        num_tasks = sum(settings <= own for own in common.values())
        # A mean is over two tasks or more.
        num_kept = len(runs) * len(settings) * num_tasks * (num_tasks > 1)
        return num_kept, num_tasks

    settings = max(subsets, key=kept)
    return kept(settings)[0], settings, common


def mean_of(results):
    """The mean, and its error: those of independent tasks add in squares."""
    errors = [result.standard_error for result in results]
    value = statistics.fmean(result.value for result in results)
    return value, math.hypot(*errors) / len(errors)


def run_labels(found):
    """Name the runs by their models, and seeds where these are several."""
    return line_labels(_first(run) for run in found.runs.values())


def _first(run):
    return next(iter(run.values()))[0]


def num_parameters(run):
    """The parameters of a run's model, or `None`."""
    return _first(run).num_parameters
