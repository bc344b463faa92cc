import dataclasses
import importlib
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.evaluate import evaluate
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records
from tests.evaluation.small_tasks import telling
from tests.evaluation.small_tasks import telling_records
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.small_gpt3 import talking_model

RECORDS = {
    "choosing": {"train": choosing_records(9, 1), "test": choosing_records(20)},
    "telling": {"train": telling_records(9, 1), "test": telling_records(6)},
}


def run(tasks=None, **arguments):
    arguments = {"records": RECORDS, "verbose": False} | arguments
    return evaluate(talking_model(), tasks or [choosing()], **arguments)


def slow_accuracy(seed=0):
    """Zero-shot accuracy, a choice at a time."""
    right = []
    for record in RECORDS["choosing"]["test"]:
        scores = [
            talking_model().score(record["q"], c) for c in record["choices"]
        ]
        means = [s.log_likelihood / len(s.token_ids) for s in scores]
        right.append(np.argmax(means) == record["label"])
    return np.mean(right)


def test_zero_shot_accuracy_is_that_of_single_calls():
    (result,) = run(shots=0, name="mine")
    assert result.value == slow_accuracy()
    expected = {
        "task": "choosing",
        "model": "mine",
        "shots": 0,
        "metric": "accuracy",
        "num_examples": 20,
        "mean_shots": 0.0,
        "num_parameters": talking_model().count_params(),
    }
    assert expected.items() <= dataclasses.asdict(result).items()
    low, high = result.interval
    assert low <= result.value <= high


def test_results_are_task_by_task_and_shots_by_shots():
    results = run([choosing(), telling()], shots=(0, 1), limit=3)
    found = [(r.task, r.shots, r.num_examples) for r in results]
    assert found == [
        ("choosing", 0, 3),
        ("choosing", 1, 3),
        ("telling", 0, 3),
        ("telling", 1, 3),
    ]
    (default,) = run(limit=3)
    assert default.shots == choosing().shots


@pytest.mark.parametrize("draws", [None, 1, 3])
def test_all_is_a_function_of_the_seed(draws, tmp_path):
    runs = [
        run(shots=2, seed=seed, draws=draws, cache=tmp_path / str(i))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert runs[0] == runs[1]
    texts = []
    for folder in sorted(tmp_path.iterdir()):
        (path,) = folder.iterdir()
        texts.append(path.read_text().split("\n", 1)[1])
    assert texts[0] == texts[1] != texts[2]


def test_what_is_known_is_not_asked_again(tmp_path, monkeypatch):
    first = run(shots=2, cache=tmp_path, limit=None)
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:9]) + lines[9][:5])
    asked = []

    def ask(model, task, questions, batch_size):
        questions = list(questions)
        asked.extend(questions)
        return real(model, task, questions, batch_size)

    # The package has the function under the module's name.
    module = importlib.import_module("keras_gpt3.evaluation.evaluate")
    real = module.ask
    monkeypatch.setattr(module, "ask", ask)
    again = run(shots=2, cache=tmp_path)
    assert len(asked) == 20 - 8
    assert again[0].value == first[0].value
    assert run(shots=2, cache=tmp_path) == again
    assert len(asked) == 12


def test_other_data_is_asked_anew(tmp_path):
    run(shots=0, cache=tmp_path, limit=3)
    run(shots=0, cache=tmp_path, limit=4)
    run([choosing(delimiter="\n\n")], shots=0, cache=tmp_path, limit=4)
    assert len(list(tmp_path.iterdir())) == 3


def test_tasks_without_a_score_leave_their_texts(tmp_path):
    task = telling(scoring="none", metrics=())
    with pytest.raises(ValueError, match="cache must be a folder for tasks"):
        run([task])
    assert run([task], cache=tmp_path, limit=2) == []
    (path,) = tmp_path.iterdir()
    assert path.read_text().count("predicted") == 2


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
        ({"shots": 10}, "Received: shots=10, with 9 in the training split."),
        ({"shots": -1}, "shots must be an integer of at least 0."),
        ({"limit": 0}, "limit must be an integer of at least 1."),
        ({"draws": 0}, "draws must be an integer of at least 1."),
        ({"tasks": "choos_ing"}, "A task must be a shipped name or group"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(**arguments)


def test_a_model_needs_a_preprocessor():
    with pytest.raises(ValueError, match="A model must have a preprocessor to"):
        evaluate(small_model(), [choosing()])
