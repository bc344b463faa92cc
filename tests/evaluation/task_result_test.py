import dataclasses

from keras_gpt3.evaluation.task_result import TaskResult

FIELDS = {
    "task": "capitals",
    "model": "mine",
    "shots": 2,
    "seed": 0,
    "metric": "accuracy",
    "value": 0.5,
    "standard_error": 0.1,
    "interval": (0.3, 0.7),
    "num_examples": 25,
    "mean_shots": 2.0,
}


def test_further_metrics_are_its_own():
    one, other = TaskResult(**FIELDS), TaskResult(**FIELDS)
    assert one == other
    assert one.extra == {}
    assert one.extra is not other.extra
    assert dataclasses.replace(one, seed=1) != one
