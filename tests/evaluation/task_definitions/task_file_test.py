import pathlib
import re
import sys

import pytest
import yaml

from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.evaluation.task_definitions.task_file import read_task
from keras_gpt3.strict_yaml import strict_yaml

GENERATE = {
    "name": "sums",
    "title": "Sums",
    "fields": {"question": "string", "answer": "string"},
    "context": "{{ question }} =",
    "target": " {{ answer }}",
    "scoring": "generate",
    "metrics": ["exact_match"],
    "shots": 4,
}
CHOICES = {
    **GENERATE,
    "scoring": "per_token",
    "metrics": ["accuracy"],
    "choices": "{{ ['a', answer] }}",
    "label": "{{ 1 }}",
}
PARTIAL = {
    key: value
    for key, value in CHOICES.items()
    if key not in ("context", "target", "choices")
} | {
    "scoring": "partial",
    "contexts": "{{ [question, answer] }}",
    "continuation": " is",
}


def write(folder, values):
    path = folder / "task.yaml"
    path.write_text(values if isinstance(values, str) else yaml.dump(values))
    return path


def test_a_task_is_read_with_its_types(tmp_path):
    hub = {"path": "someone/sums", "splits": {"test": "validation"}}
    values = {
        **GENERATE,
        "stop": ["\n", "."],
        "groups": ["made_up"],
        "random_accuracy": 0,
        "hub": hub,
    }
    expected = {
        **values,
        "metrics": ("exact_match",),
        "stop": ("\n", "."),
        "groups": ("made_up",),
        "random_accuracy": 0.0,
    }
    task = read_task(str(write(tmp_path, values)))
    assert task == Task(**expected)
    assert type(task.random_accuracy) is float


@pytest.mark.parametrize("values", [CHOICES, PARTIAL])
def test_other_scorings_are_read_too(values, tmp_path):
    assert read_task(write(tmp_path, values)).scoring == values["scoring"]


def test_the_paper_needs_not_to_have_the_task(tmp_path):
    assert read_task(write(tmp_path, GENERATE)).paper == ""
    values = {**GENERATE, "paper": "Section 3.9"}
    assert read_task(write(tmp_path, values)).paper == "Section 3.9"


def test_a_choice_needs_no_target(tmp_path):
    values = {key: CHOICES[key] for key in CHOICES if key != "target"}
    assert read_task(write(tmp_path, values)).target == ""


# What is changed in a task, and what the message says was received.
FAULTS = [
    ({"scorings": 1}, "A task must hold known keys only", "the key 'scorings'"),
    ({"delimiter": None}, "delimiter must be of type str", "delimiter=None"),
    ({"title": 3}, "title must be of type str", "title=3"),
    ({"shots": "4"}, "shots must be of type int", "shots='4'"),
    ({"shots": True}, "shots must be of type int", "shots=True"),
    ({"shots": -1}, "shots must be at least 0", "shots=-1"),
    ({"metrics": "f1"}, "metrics must be of type list of strings", "='f1'"),
    ({"metrics": [1]}, "metrics must be of type list of strings", "=[1]"),
    ({"hub": "a"}, "hub must be of type dict or null", "hub='a'"),
    ({"random_accuracy": "a"}, "must be of type float or null", "='a'"),
    ({"context": "{{ a"}, "context must be a Jinja template", "unexpected"),
]


def fault(path):
    with pytest.raises(ValueError) as caught:
        read_task(path)
    message = str(caught.value)
    assert f"Received: file='{path}'" in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(("change", "invariant", "received"), FAULTS)
def test_a_fault_names_file_and_key(change, invariant, received, tmp_path):
    message = fault(write(tmp_path, {**GENERATE, **change}))
    assert invariant in message
    assert received in message.partition("Received: ")[2]


def test_a_fault_names_the_line_of_its_key(tmp_path):
    lines = [f"{key}: {value!r}" for key, value in GENERATE.items()]
    lines[6] = "metrics: [f1, acc]"
    path = write(tmp_path, "# A comment.\n" + "\n".join(lines))
    message = fault(path)
    assert message.startswith("Metrics with the scoring generate must be of")
    assert f"Received: file='{path}', line=8, the metric 'acc'." in message


def test_a_key_that_is_not_there_has_no_line(tmp_path):
    values = {key: GENERATE[key] for key in GENERATE if key != "shots"}
    path = write(tmp_path, values)
    assert f"Received: file='{path}', no value for it." in fault(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: [", ", line=2 (while parsing a flow node, expected"),
        ("a: 1\n  b: 2", ", line=2 (mapping values are not allowed here)"),
        ("a: {b: 1, b: 2}", ", line=1 (the key 'b' stands twice)"),
        ("a: !!python/object:os.system {}", ", line=1 (could not determine"),
        ("a: \0", " (special characters are not allowed, position 3)"),
    ],
)
def test_broken_syntax_is_named_with_its_line(text, reason, tmp_path):
    path = write(tmp_path, text)
    message = fault(path)
    assert message.startswith(
        f"A task must be YAML. Received: file='{path}'{reason}"
    )
    assert "byte string" not in message


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "no value, it is empty"),
        ("# Nothing.\n", "no value, it is empty"),
        ("- a", "a list"),
    ],
)
def test_what_holds_no_keys_is_named(text, received, tmp_path):
    path = write(tmp_path, text)
    assert fault(path) == (
        f"A task must hold keys and values. Received: file='{path}', "
        f"{received}. Write one `key: value` a line."
    )


def test_two_tasks_of_one_name_raise(tmp_path):
    first = write(tmp_path, GENERATE)
    (tmp_path / "other").mkdir()
    second = write(tmp_path / "other", {**GENERATE, "shots": 2})
    message = (
        f"Tasks must have different names. Received: '{second}', which has a "
        "second 'sums'. Rename one."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_tasks([str(first), str(first), str(second)])


def test_a_missing_file_is_named(tmp_path):
    message = re.escape(f"Received: file='{tmp_path / 'a.yaml'}'. Write one")
    with pytest.raises(FileNotFoundError, match=message):
        read_task(tmp_path / "a.yaml")


def test_without_pyyaml_the_remedy_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, GENERATE)
    monkeypatch.setitem(sys.modules, "yaml", None)
    strict_yaml.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'keras-gpt3\[evaluate"):
        read_task(path)


def test_the_task_of_the_guide_can_be_read(tmp_path):
    docs = pathlib.Path(__file__).parents[3] / "docs"
    (block,) = re.findall(
        r"```yaml\n(name: .*?)```",
        (docs / "guides" / "evaluate.md").read_text("utf-8"),
        re.DOTALL,
    )
    path = tmp_path / "capitals.yaml"
    path.write_text(block, "utf-8")
    assert read_task(path).name == "capitals"
