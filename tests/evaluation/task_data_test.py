import json

import pytest

from keras_gpt3.evaluation import task_data
from keras_gpt3.evaluation.task_data import split_source
from keras_gpt3.evaluation.task_data import task_examples
from keras_gpt3.evaluation.task_table import find_tasks
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records


def test_records_that_are_given_go_first(tmp_path):
    records = {"test": choosing_records(3), "train": choosing_records(5)}
    for split, count in (("test", 3), ("train", 5)):
        examples = task_examples(choosing(), split, tmp_path, records)
        assert len(examples) == count
    assert task_examples(choosing(), "test", None, {}) == []


def test_a_damaged_record_is_named():
    records = {"test": [*choosing_records(1), {"q": "the"}]}
    with pytest.raises(ValueError, match="choosing, test, record 2"):
        task_examples(choosing(), "test", records=records)


def test_local_files_come_before_the_hub(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = map(json.dumps, choosing_records(2))
    (tmp_path / "choosing/test.jsonl").write_text("\n".join(lines))
    assert len(task_examples(choosing(), "test", tmp_path)) == 2
    with pytest.raises(FileNotFoundError, match="must have the split train"):
        task_examples(choosing(), "train", tmp_path)


def test_without_local_files_the_hub_is_asked(monkeypatch):
    asked = []

    def hub_records(task, split):
        asked.append((task.name, split))
        return choosing_records(4)

    monkeypatch.setattr(task_data, "hub_records", hub_records)
    assert len(task_examples(choosing(), "train")) == 4
    assert asked == [("choosing", "train")]


@pytest.mark.parametrize("has_folder", [False, True])
def test_synthetic_tasks_are_generated_by_seed(has_folder, tmp_path):
    (task,) = find_tasks(["two_digit_addition"])
    data = tmp_path if has_folder else None
    one, other, train = (
        task_examples(task, split, data, seed=seed)
        for split, seed in (("test", 0), ("test", 1), ("train", 0))
    )
    assert len(one) == 2000
    assert one != other
    assert not {e.context for e in one} & {e.context for e in train}


@pytest.mark.parametrize(
    ("local", "missing"), [("test", "train"), ("train", "test")]
)
def test_a_synthetic_task_with_one_local_split_must_have_both(
    local, missing, tmp_path
):
    (task,) = find_tasks(["two_digit_addition"])
    (tmp_path / task.name).mkdir()
    line = json.dumps({"context": "1 plus 1 is", "completion": " 2"})
    (tmp_path / task.name / f"{local}.jsonl").write_text(line)
    assert len(task_examples(task, local, tmp_path)) == 1
    path = tmp_path / task.name / f"{missing}.jsonl"
    with pytest.raises(FileNotFoundError) as error:
        task_examples(task, missing, tmp_path)
    assert f"'{path}', which does not exist" in str(error.value)


def test_messages_say_where_a_split_comes_from(tmp_path):
    folder = tmp_path / "choosing"
    folder.mkdir()
    (folder / "test.jsonl.gz").write_text("")
    assert split_source(choosing(), "test", tmp_path) == (
        f"the test split of choosing (file='{folder}/test.jsonl.gz')"
    )
    assert split_source(choosing(), "train", tmp_path) == (
        f"the training split of choosing (file='{folder}/train.jsonl')"
    )
    assert split_source(choosing(), "test", tmp_path, {}).endswith("(records)")
    generated, hub = find_tasks(["two_digit_addition", "piqa"])
    assert split_source(generated, "test", tmp_path).endswith("(generated)")
    assert "piqa (path='" in split_source(hub, "test")
