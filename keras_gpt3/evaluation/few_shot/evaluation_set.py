"""The examples of tasks that are evaluated, and the demonstrations."""

import dataclasses
import difflib

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.few_shot.demonstrations import check_shots
from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.few_shot.question import twins
from keras_gpt3.evaluation.task_definitions.task_data import split_source
from keras_gpt3.evaluation.task_definitions.task_data import task_examples


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """The examples of a task, and the numbers of demonstrations."""

    task: object
    train: list
    test: list
    shots: tuple
    twins: dict = dataclasses.field(default_factory=dict)


def load_evaluation_sets(tasks, shots=None, seed=0, data=None, records=None):
    """Read the examples of all tasks, and check that there are enough."""
    records = records or {}
    _check_names(records, [task.name for task in tasks])
    counts = [_counts(task, shots) for task in tasks]
    return [
        _load(task, some, shots is None, seed, data, records.get(task.name))
        for task, some in zip(tasks, counts, strict=True)
    ]


def _check_names(records, names):
    unknown = [name for name in records if name not in names]
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), names, n=3)
        remedy = f"The closest are {', '.join(close)}" if close else "Remove it"
        raise ValueError(
            "records must be of tasks that are evaluated. Received: records of "
            f"{echoed(unknown[0])}. {remedy}."
        )


def _counts(task, shots):
    shots = task.shots if shots is None else shots
    counts = shots if isinstance(shots, (list, tuple, range)) else (shots,)
    for count in counts:
        check_integer("shots", count, minimum=0)
    if not counts:
        raise ValueError(
            "shots must have at least one K. Received: shots=[]. Pass 0 for "
            "no demonstrations."
        )
    return tuple(counts)


def _load(task, counts, is_default, seed, data, records):
    if task.scoring == "rolling":
        if 0 not in counts:
            raise ValueError(
                "shots must have 0 for a text that is scored whole. Received: "
                f"shots={max(counts)} for {task.name}. Add 0, or leave the "
                "task out."
            )
        counts = (0,)
    test = task_examples(task, "test", data, records, seed)
    if not test:
        raise ValueError(
            "There must be an example to test. Received: none in "
            f"{split_source(task, 'test', data, records)}. Add some."
        )
    if not any(counts):
        return EvaluationSet(task, [], test, counts)
    train = task_examples(task, "train", data, records, seed)
    train = demonstration_examples(train)
    same = twins(train, test)
    source = split_source(task, "train", data, records)
    if same:
        source += ", the tested example itself left out"
    most_same = max(map(len, same.values()), default=0)
    check_shots(max(counts), len(train) - most_same, source, is_default)
    return EvaluationSet(task, train, test, counts, same)
