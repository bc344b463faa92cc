import pathlib
import re
import runpy
import sys

import pytest
import yaml

from keras_gpt3.evaluation.results import results_file
from keras_gpt3.evaluation.task_definitions import task_rules
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
    (
        {"scorings": 1},
        "A task must hold known keys only",
        "scorings=1. Use one",
    ),
    ({"scoring": "best"}, "scoring must be 'per_token', 'like", "='best'"),
    ({"scoring": ["greedy"]}, "scoring must be 'per_token'", "=['greedy']"),
    ({"delimiter": None}, "delimiter must be a valid string", "delimiter=None"),
    ({"title": 3}, "title must be a valid string", "title=3"),
    ({"name": "My task"}, "name must be a-z, 0-9 and _ alone", "='My task'"),
    ({"shots": "4"}, "shots must be a valid integer", "shots='4'"),
    ({"shots": True}, "shots must be a valid integer", "shots=True"),
    ({"shots": -1}, "shots must be greater than or equal to 0", "shots=-1"),
    ({"max_new_tokens": 0}, "max_new_tokens must be greater than or", "=0"),
    ({"metrics": "f1"}, "metrics must be a valid list", "='f1'"),
    ({"metrics": [1]}, "metrics[0] must be a valid string", "metrics[0]=1"),
    ({"stop": ["a", ""]}, "stop[1] must have at least 1", "stop[1]=''"),
    ({"fields": {}}, "fields must have at least 1 item", "fields={}"),
    ({"fields": {"a": "text"}}, "fields.a must be 'string', 'int", "='text'"),
    ({"fields": {"a": ["x"]}}, "fields.a must be 'string', 'int", "=['x']"),
    ({"fields": {1: "string"}}, "A key of fields must be a valid string", "1."),
    ({"random_accuracy": "a"}, "random_accuracy must be a valid num", "='a'"),
    ({"random_accuracy": 1.5}, "random_accuracy must be less than or", "=1.5"),
    ({"context": "{{ a"}, "context must be a Jinja template", "unexpected"),
    ({"hub": "a"}, "hub must hold keys and values", "hub='a'"),
    ({"hub": {"path": "a"}}, "A task must hold hub.splits", "no such key"),
    ({"hub": {"splits": {"test": "a"}}}, "A task must hold hub.path", "no s"),
    (
        {"hub": {"path": "a", "splits": ["test"]}},
        "hub.splits must hold keys and values",
        "hub.splits=['test']",
    ),
    (
        {"hub": {"path": "a", "splits": {"train": "b"}}},
        "A task must hold hub.splits.test",
        "no such key",
    ),
    (
        {"hub": {"path": "a", "splits": {"test": "a", "x": "b"}}},
        "A task must hold known keys only",
        "hub.splits.x='b'. Use one of test, train, dev",
    ),
    (
        {"hub": {"path": "a", "splits": {"test": 3}}},
        "hub.splits.test must be a valid string",
        "hub.splits.test=3",
    ),
    (
        {"hub": {"path": "a", "splits": {"test": "a"}, "config": "b"}},
        "A task must hold known keys only",
        "hub.config='b'",
    ),
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
    assert message.startswith(invariant)
    assert received in message.partition("Received: ")[2]


@pytest.mark.parametrize("key", [key for key in GENERATE if key != "metrics"])
def test_a_missing_key_is_named(key, tmp_path):
    values = {name: GENERATE[name] for name in GENERATE if name != key}
    assert re.match(
        rf"A task must hold (the key )?{key}\. Received: ",
        fault(write(tmp_path, values)),
    )
    assert key in fault(write(tmp_path, {**GENERATE, key: None}))


@pytest.mark.parametrize(
    ("key", "closest"),
    [("scorings", "scoring"), ("max_tokens", "max_new_tokens")],
)
def test_for_an_unknown_key_the_closest_is_offered(key, closest, tmp_path):
    message = fault(write(tmp_path, {**GENERATE, key: 1}))
    assert message.partition(" Use one of ")[2].startswith(closest)


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
    assert f"Received: file='{path}', no such key." in fault(path)


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
        ("", "task=None"),
        ("# Nothing.\n", "task=None"),
        ("- a", "task=['a']"),
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


@pytest.mark.parametrize("module", [task_rules, results_file])
def test_without_pydantic_the_remedy_is_named(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    message = "checked by pydantic. Received: .* 'keras-gpt3[evaluate]'.$"
    with pytest.raises(ImportError, match=message.replace("[", r"\[")):
        runpy.run_path(module.__file__)


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
