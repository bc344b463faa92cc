import dataclasses
import re
import sys
import types

import pytest

from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_data import hub_records

TASK = Task(
    name="sums",
    title="Sums",
    paper="",
    fields={"question": "string"},
    context="",
    target="",
    scoring="generate",
    metrics=("exact_match",),
    shots=0,
    hub={
        "path": "someone/sums",
        "name": "small",
        "splits": {"train": "train", "test": "validation"},
    },
)


@pytest.fixture
def loaded(monkeypatch):
    """What the stand-in for `datasets` was asked for; it gives two rows."""
    calls = []

    def load_dataset(*args, **options):
        calls.append((*args, options))
        if calls[0] == "fails":
            raise ConnectionError("Couldn't reach 'someone/sums'\non the Hub.")
        return [{"question": "1 + 1", "id": 0}, {"question": "2 + 2", "id": 1}]

    module = types.SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_rows_become_records_that_know_their_place(loaded):
    records = hub_records(TASK, "test")
    assert records == [{"question": "1 + 1"}, {"question": "2 + 2"}]
    assert records[1].where == (
        "path='someone/sums', split='validation', row=1"
    )
    options = {"split": "validation", "revision": None}
    assert loaded == [("someone/sums", "small", options)]


def test_a_revision_is_passed_on(loaded):
    hub = {**TASK.hub, "revision": "main"}
    hub_records(dataclasses.replace(TASK, hub=hub), "train")
    assert loaded[0][-1] == {"split": "train", "revision": "main"}


def test_a_row_without_a_field_is_named(loaded):
    task = dataclasses.replace(TASK, fields={"answer": "string"})
    with pytest.raises(ValueError, match=r"split='validation', row=0 \(only "):
        hub_records(task, "test")


def test_what_cannot_be_loaded_names_the_local_file(loaded):
    loaded.append("fails")
    message = (
        "The dataset of sums must load from the hub. Received: "
        "path='someone/sums', split='validation' (ConnectionError: Couldn't "
        "reach 'someone/sums' on the Hub). Write FOLDER/sums/test.jsonl with "
        "the fields question and pass --data FOLDER."
    )
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        hub_records(TASK, "test")


def test_a_task_that_is_not_on_the_hub_names_the_local_file():
    task = dataclasses.replace(TASK, hub=None)
    with pytest.raises(
        ValueError, match=r"it is not on the hub.*--data FOLDER"
    ):
        hub_records(task, "test")


def test_a_split_that_is_not_on_the_hub_is_named():
    hub = {"path": "someone/sums", "splits": {"test": "test"}}
    task = dataclasses.replace(TASK, hub=hub)
    with pytest.raises(
        ValueError, match="must have the split train on the hub"
    ):
        hub_records(task, "train")


def test_without_datasets_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-gpt3\[evaluate"):
        hub_records(TASK, "test")
