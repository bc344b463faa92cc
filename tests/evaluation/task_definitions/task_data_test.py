import dataclasses
import gzip
import json
import re
import sys
import types

import pytest

from keras_gpt3.evaluation.few_shot.evaluation_set import load_evaluation_sets
from keras_gpt3.evaluation.task_definitions import task_data
from keras_gpt3.evaluation.task_definitions.arithmetic import ARITHMETIC_TASKS
from keras_gpt3.evaluation.task_definitions.arithmetic import arithmetic_records
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_data import hub_records
from keras_gpt3.evaluation.task_definitions.task_data import split_source
from keras_gpt3.evaluation.task_definitions.task_data import synthetic_records
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    SCRAMBLING_TASKS,
)
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    word_scrambling_records,
)
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records

# === Task data ===


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


def test_a_synthetic_task_with_local_demonstrations_must_have_questions(
    tmp_path,
):
    (task,) = find_tasks(["two_digit_addition"])
    (tmp_path / task.name).mkdir()
    line = json.dumps({"context": "1 plus 1 is", "completion": " 2"})
    (tmp_path / task.name / "train.jsonl").write_text(line)
    assert len(task_examples(task, "train", tmp_path)) == 1
    path = tmp_path / task.name / "test.jsonl"
    with pytest.raises(FileNotFoundError) as error:
        task_examples(task, "test", tmp_path)
    assert f"'{path}', which does not exist" in str(error.value)


def published_lines(task):
    """Three records as the files of openai/gpt-3 have them."""
    if "anagrams" in task:
        words = {"skicts": "sticks", "wotn": "town", "pmlae": "maple"}
        pairs = [(f"\n{x} =", f" {word}") for x, word in words.items()]
    else:
        pairs = [
            (f"\n\nQ: What is {x} plus 45?\n\nA:", f" {x + 45}")
            for x in (98, 7, 11)
        ]
    return [json.dumps({"context": c, "completion": a}) for c, a in pairs]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("two_digit_addition", "two_digit_addition.jsonl"),
        ("mid_word_1_anagrams", "mid_word_1_anagrams.jsonl.gz"),
        ("anagrams_2", "mid_word_2_anagrams.jsonl.gz"),
        # A file of one's own, without one for demonstrations.
        ("anagrams_2", "anagrams_2/test.jsonl"),
    ],
)
def test_published_files_of_synthetic_tasks_are_read_as_they_are(
    name, file, tmp_path
):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    content = "\n".join(published_lines(name)).encode()
    is_gzipped = file.endswith(".gz")
    path.write_bytes(gzip.compress(content) if is_gzipped else content)
    tasks = find_tasks([name])
    (found,) = load_evaluation_sets(tasks, shots=2, data=tmp_path)
    assert found.task.name == name.replace("mid_word_1_anagrams", "anagrams_1")
    assert len(found.test) == 3 and found.train == found.test
    # No question is among its own demonstrations.
    assert found.twins == {0: (0,), 1: (1,), 2: (2,)}
    with pytest.raises(ValueError, match="the tested example itself left out"):
        load_evaluation_sets(tasks, shots=3, data=tmp_path)
    assert f"(file='{path}')" in split_source(found.task, "train", tmp_path)


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


# === Hub records ===


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


# === Synthetic records ===


FIELDS = {"context": "string", "completion": "string"}
TASKS = [
    *((name, "arithmetic", arithmetic_records) for name in ARITHMETIC_TASKS),
    *(
        (name, "word_scrambling", word_scrambling_records)
        for name in SCRAMBLING_TASKS
    ),
]


def synthetic(name, generator):
    return Task(
        name=name,
        title=name,
        paper="",
        fields=FIELDS,
        context="{{ context }}",
        target="{{ completion }}",
        scoring="generate",
        metrics=("exact_match",),
        shots=50,
        generator=generator,
    )


@pytest.mark.parametrize(("name", "generator", "records"), TASKS)
def test_a_task_has_its_generator_s_records(name, generator, records):
    pytest.importorskip("wordfreq")
    task = synthetic(name, generator)
    for split in ("train", "test"):
        made = synthetic_records(task, split, seed=3)
        assert made == records(name, split=split, seed=3)
        assert made[0].keys() == FIELDS.keys()


@pytest.mark.parametrize(
    ("generator", "hint"),
    [
        (None, "Use one of these."),
        ("arithmetic_", "Did you mean 'arithmetic'?"),
    ],
)
def test_an_unknown_generator_is_named(generator, hint):
    message = (
        "generator must be one of arithmetic, word_scrambling. Received: "
        f"generator={generator!r}. {hint}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic_records(synthetic("two_digit_addition", generator))
