import json
import sys
import types

import pytest

from keras_gpt3.evaluation.task_definitions.task_data import compared_examples
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records


@pytest.fixture
def loaded(monkeypatch):
    """The splits that a stand-in for `datasets` was asked for."""
    splits = []

    def load_dataset(*_, split, **__):
        splits.append(split)
        return choosing_records(2)

    module = types.SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return splits


@pytest.mark.parametrize("name", ["dev", "validation"])
def test_a_development_set_stands_beside_the_test(name, tmp_path):
    (tmp_path / "choosing").mkdir()
    for split, count in (("test", 3), (name, 2)):
        lines = "\n".join(map(json.dumps, choosing_records(count)))
        (tmp_path / f"choosing/{split}.jsonl").write_text(lines)
    found = compared_examples(choosing(), data=tmp_path)
    assert {key: len(value) for key, value in found.items()} == {
        "choosing": 3,
        "choosing, dev": 2,
    }
    assert list(compared_examples(choosing(), ["dev"], tmp_path)) == [
        "choosing, dev"
    ]


def test_what_has_no_development_set_has_a_test_alone(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = "\n".join(map(json.dumps, choosing_records(3)))
    (tmp_path / "choosing/test.jsonl").write_text(lines)
    assert list(compared_examples(choosing(), data=tmp_path)) == ["choosing"]
    task = shipped_tasks()["two_digit_addition"]
    assert list(compared_examples(task)) == ["two_digit_addition"]
    # As openai/gpt-3 has it: one file, which is the test.
    record = json.dumps({"context": "a", "completion": "b"})
    (tmp_path / "two_digit_addition.jsonl").write_text(record)
    assert list(compared_examples(task, data=tmp_path)) == [task.name]


def test_a_development_set_of_the_hub_is_loaded(loaded):
    splits = {"train": "train", "test": "test", "dev": "validation"}
    hub = {"path": "someone/choosing", "splits": splits}
    task = choosing(hub=hub)
    assert list(compared_examples(task)) == ["choosing", "choosing, dev"]
    assert loaded == ["test", "validation"]


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="splits must be one of test, dev"):
        compared_examples(choosing(), ["train"])
