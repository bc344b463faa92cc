import json
import pathlib
import re

import pytest

from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from tests.evaluation.task_definitions.hub_schemas import SCHEMAS
from tests.evaluation.task_definitions.hub_schemas import conforms
from tests.evaluation.task_definitions.hub_schemas import kind_of
from tests.evaluation.task_definitions.task_examples_test import SHARED

ROOT = pathlib.Path(__file__).parents[3]
TASKS = {name: task for name, task in shipped_tasks().items() if task.hub}
PAGE = (ROOT / "docs/datasets.md").read_text("utf-8")
# The names that are lm-evaluation-harness's own for the same data.
HARNESS = {
    "anli_r1": "anli/anli_r1.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "coqa": "coqa/default.yaml",
    "drop": "drop/default.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "lambada": "lambada/lambada_openai.yaml",
    "natural_questions": "nq_open/nq_open.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "piqa": "piqa/piqa.yaml",
    "storycloze": "storycloze/storycloze_2016.yaml",
    "triviaqa": "triviaqa/default.yaml",
    "web_questions": "webqs/webqs.yaml",
    "winograd": "wsc273/default.yaml",
    "winogrande": "winogrande/default.yaml",
    "wmt14_en_fr": "translation/wmt14_en-fr.yaml",
    "wmt16_ro_en": "translation/wmt16_ro-en.yaml",
}


def of_task(task):
    return SCHEMAS[task.hub["path"], task.hub.get("name")]


@pytest.mark.parametrize("name", TASKS)
def test_fields_and_splits_are_those_of_the_dataset(name):
    task = TASKS[name]
    splits, fields = of_task(task)
    assert set(task.hub["splits"].values()) <= set(splits)
    kinds = {key: kind_of(fields[key]) for key in task.fields}
    assert kinds == {
        key: kind.removeprefix("optional ") for key, kind in task.fields.items()
    }


def test_every_dataset_has_a_task():
    used = {(t.hub["path"], t.hub.get("name")) for t in TASKS.values()}
    assert used == set(SCHEMAS)


@pytest.mark.parametrize("name", TASKS)
def test_records_that_templates_are_tested_on_are_of_that_form(name):
    file = name
    for start, shared in SHARED.items():
        file = shared if name.startswith(start) else file
    path = ROOT / f"tests/fixtures/tasks/{file}.jsonl"
    _, fields = of_task(TASKS[name])
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        for key, value in record.items():
            if value is not None:
                assert conforms(value, fields[key]), (key, value)


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        (["a"], ["string"], True),
        ([1], ["string"], False),
        ({"a": [["b"]]}, {"a": [["string"]], "c": "integer"}, True),
        ({"a": "b"}, {"a": ["string"]}, False),
        ([], {}, False),
    ],
)
def test_what_is_of_another_form_is_found(value, schema, expected):
    assert conforms(value, schema) == expected


@pytest.mark.parametrize("name", HARNESS)
def test_datasets_are_those_of_lm_evaluation_harness(name):
    tasks = pathlib.Path(pytest.importorskip("lm_eval").__path__[0], "tasks")
    if not (tasks / HARNESS[name]).is_file():
        pytest.skip("Another version of lm_eval.")
    text = (tasks / HARNESS[name]).read_text("utf-8")
    (path,) = re.findall(r"^dataset_path: (\S+)", text, re.MULTILINE)
    assert path == TASKS[name].hub["path"]


def test_the_page_lists_each_dataset_with_its_source():
    table = PAGE.partition("## What was found")[0]
    rows = re.findall(r"^\| `([^`]+)`(?: `([^`]+)`)? \|(.*)\|$", table, re.M)
    listed = {(path, name or None) for path, name, _ in rows}
    assert listed == set(SCHEMAS)
    for path, name, cells in rows:
        tasks, source = (cell.strip() for cell in cells.split("|"))
        assert source, path
        known = {
            task.name
            for task in TASKS.values()
            if (task.hub["path"], task.hub.get("name")) == (path, name or None)
        }
        assert set(re.findall(r"`(\w+)`", tasks)) == known
