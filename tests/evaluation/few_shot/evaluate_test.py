import re

import pytest

from keras_gpt3.evaluation.few_shot.evaluate import evaluate
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.small_gpt3 import talking_model

RECORDS = {
    "choosing": {"train": choosing_records(9, 1), "test": choosing_records(4)},
}


def run(tasks=None, model=None, **arguments):
    arguments = {"records": RECORDS, "verbose": False} | arguments
    return evaluate(
        model or talking_model(), tasks or [choosing()], **arguments
    )


def test_results_are_task_by_task_k_by_k_and_metric_by_metric():
    twice = choosing(name="twice", metrics=("accuracy", "macro_f1"))
    records = RECORDS | {"twice": RECORDS["choosing"]}
    results = run([choosing(), twice], shots=(0, 1), limit=3, records=records)
    found = [(r.task, r.shots, r.metric, r.num_examples) for r in results]
    assert found == [
        ("choosing", 0, "accuracy", 3),
        ("choosing", 1, "accuracy", 3),
        ("twice", 0, "accuracy", 3),
        ("twice", 0, "macro_f1", 3),
        ("twice", 1, "accuracy", 3),
        ("twice", 1, "macro_f1", 3),
    ]
    for result in results:
        low, high = result.interval
        assert low <= result.value <= high
    (default,) = run(limit=3)
    assert default.shots == choosing().shots


def test_tasks_are_found_by_name():
    (result,) = evaluate(
        small_text_model(max_sequence_length=80),
        "two_digit_addition",
        shots=0,
        limit=1,
        verbose=False,
    )
    assert result.task == "two_digit_addition"
    assert result.metric == "exact_match"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shots": 10}, "Received: shots=10, with 9 in the training split of"),
        ({"shots": -1}, "shots must be an integer of at least 0."),
        ({"limit": 0}, "limit must be an integer of at least 1."),
        ({"draws": 0}, "draws must be an integer of at least 1."),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1."),
        ({"seed": 0.5}, "seed must be an integer of at least 0."),
        ({"tasks": "choos_ing"}, "A task must be a shipped name or group"),
        ({"model": small_model()}, "A model must have a preprocessor to be"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(**arguments)
