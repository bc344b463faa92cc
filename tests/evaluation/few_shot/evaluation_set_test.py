import json
import re

import pytest

from keras_gpt3.evaluation.few_shot.evaluation_set import load_evaluation_sets
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records
from tests.evaluation.small_tasks import telling
from tests.evaluation.small_tasks import telling_records

RECORDS = {
    "choosing": {"train": choosing_records(9, 1), "test": choosing_records(5)},
    "telling": {"train": telling_records(4, 1), "test": telling_records(6)},
}


def load(tasks=None, shots=None, records=RECORDS, **arguments):
    tasks = tasks or [choosing(), telling()]
    return load_evaluation_sets(tasks, shots, records=records, **arguments)


def test_all_examples_of_all_tasks_are_there():
    one, other = load()
    assert (one.task.name, other.task.name) == ("choosing", "telling")
    assert (len(one.train), len(one.test)) == (9, 5)
    assert (one.shots, other.shots) == ((2,), (1,))


@pytest.mark.parametrize(
    ("shots", "expected"), [(3, (3,)), ([0, 1], (0, 1)), (range(2), (0, 1))]
)
def test_the_same_shots_are_for_all_tasks(shots, expected):
    assert [one.shots for one in load(shots=shots)] == [expected] * 2


def test_zero_shots_need_no_training_split(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = "\n".join(map(json.dumps, choosing_records(2)))
    (tmp_path / "choosing/test.jsonl").write_text(lines)
    (one,) = load([choosing()], 0, None, data=tmp_path)
    assert (len(one.test), one.train) == (2, [])
    with pytest.raises(FileNotFoundError, match="must have the split train"):
        load([choosing()], (0, 1), None, data=tmp_path)


def test_what_does_not_hold_is_no_demonstration():
    task = telling(
        fields={"q": "string", "a": "string", "is_right": "boolean"},
        holds="{{ is_right }}",
    )
    records = [
        {"q": f"the {i}", "a": " 1", "is_right": i % 2 == 0} for i in range(5)
    ]
    records = {"telling": {"train": records, "test": records[:1]}}
    (one,) = load([task], 2, records)
    assert [e.context for e in one.train] == ["the 0", "the 2", "the 4"]
    # The tested one is no demonstration of its own either.
    with pytest.raises(ValueError, match="Received: shots=3, with 2 in the"):
        load([task], 3, records)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"shots": (0, 5)},
            "Received: shots=5, with 4 in the training split of telling "
            "(records). Pass fewer shots or add",
        ),
        ({"shots": -1}, "shots must be an integer of at least 0."),
        ({"shots": [1, 0.5]}, "shots must be an integer of at least 0."),
        ({"shots": []}, "shots must have at least one K. Received: shots=[]."),
        (
            {"records": RECORDS | {"choos_ing": {}}},
            "records must be of tasks that are evaluated. Received: records of "
            "'choos_ing'. The closest are choosing.",
        ),
        (
            {"records": RECORDS | {"piqa": {}}},
            "Received: records of 'piqa'. Remove it.",
        ),
        (
            {"records": RECORDS | {"telling": {"tests": []}}},
            "There must be an example to test. Received: none in the test "
            "split of telling (records). Add some.",
        ),
    ],
)
def test_what_is_wrong_with_any_task_is_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load(**arguments)


def test_it_is_said_that_the_task_brought_k():
    message = "Received: shots=50, the task's own, with 4 in the training split"
    with pytest.raises(ValueError, match=message):
        load([telling(shots=50)], records={"telling": RECORDS["telling"]})


def test_the_file_that_holds_too_few_is_named(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = "\n".join(map(json.dumps, choosing_records(2)))
    for split in ("train", "test"):
        (tmp_path / f"choosing/{split}.jsonl").write_text(lines)
    path = tmp_path / "choosing/train.jsonl"
    # Both splits are the same: an example cannot demonstrate itself.
    message = (
        f"shots=2, with 1 in the training split of choosing (file='{path}'), "
        "the tested example itself left out. Pass fewer"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        load([choosing()], 2, None, data=tmp_path)
