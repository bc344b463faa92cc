"""Results that were never measured, for tables and plots."""

from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.task_definitions.task import Task

PIQA = Task(
    name="piqa",
    title="PIQA",
    paper="",
    fields={},
    context="",
    target="",
    scoring="per_token",
    metrics=("accuracy",),
    shots=50,
    random_accuracy=0.5,
)


def result(shots=0, value=0.6, **changes):
    """A result with an interval of 0.02 on either side."""
    fields = {
        "task": "piqa",
        "model": "mine",
        "seed": 0,
        "metric": "accuracy",
        "standard_error": 0.01,
        "interval": (value - 0.02, value + 0.02),
        "num_examples": 1838,
        "mean_shots": float(shots),
        "num_parameters": 10**7,
    }
    return TaskResult(shots=shots, value=value, **fields | changes)
