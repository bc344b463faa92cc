import dataclasses
import gzip
import re

import pytest

from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_records import Record
from keras_gpt3.evaluation.task_definitions.task_records import checked_record
from keras_gpt3.evaluation.task_definitions.task_records import local_records
from keras_gpt3.evaluation.task_definitions.task_records import read_records

TASK = Task(
    name="sums",
    title="Sums",
    paper="",
    fields={"question": "string", "answer": "integer"},
    context="",
    target="",
    scoring="generate",
    metrics=("exact_match",),
    shots=0,
)
LINE = '{"question": "1 + 1", "answer": 2}\n'


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL.GZ"])
def test_records_know_file_and_line(name, tmp_path):
    content = ("\ufeff" + LINE + "\n" + LINE).encode()
    if name.endswith("GZ"):
        content = gzip.compress(content)
    path = write(tmp_path / name, content)
    records = read_records(path, TASK)
    assert records == [{"question": "1 + 1", "answer": 2}] * 2
    assert records[1].where == f"file='{path}', line=3"


def test_further_fields_are_dropped(tmp_path):
    path = write(tmp_path / "a.jsonl", LINE.replace("{", '{"id": null, '))
    assert list(read_records(path, TASK)[0]) == ["question", "answer"]


def test_a_line_that_is_no_object_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", LINE.encode() + b"3")
    message = (
        "Each line of a file of records must be a JSON object. Received: "
        f"file='{path}', line=2 (it is of type int). Write one object a line."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_records(path, TASK)


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ('{"question": "a"}', "answer", "only 'question'"),
        ("{}", "question", "only an empty object"),
        ('{"question": 3, "answer": 2}', "question", "it is of type int"),
        ('{"question": "a", "answer": "2"}', "answer", "it is of type str"),
        ('{"question": "a", "answer": true}', "answer", "it is of type bool"),
        (
            '{"question": "a", "answer": null}',
            "answer",
            "it is of type NoneType",
        ),
        ('{"question": "\\ud800", "answer": 2}', "question", "'utf-8' codec "),
    ],
)
def test_a_wrong_field_is_named(line, field, reason, tmp_path):
    path = write(tmp_path / "a.jsonl", line)
    message = (
        f"A record of sums must have the field '{field}' of kind "
        f"{TASK.fields[field]}. Received: file='{path}', line=1 ({reason}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_records(path, TASK)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("boolean", True), ("list", []), ("object", {}), ("string", "")],
)
def test_each_kind_takes_its_values(kind, value):
    task = dataclasses.replace(TASK, fields={"x": kind})
    assert checked_record({"x": value}, task, "line=1") == {"x": value}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [({}, None), ({"x": None}, None), ({"x": {"a": 1}}, {"a": 1})],
)
def test_an_optional_field_may_be_missing(entry, expected):
    task = dataclasses.replace(TASK, fields={"x": "optional object"})
    record = checked_record(entry, task, "line=1")
    assert record == {"x": expected}
    assert isinstance(record, Record)


def test_an_optional_field_has_its_kind_too():
    task = dataclasses.replace(TASK, fields={"x": "optional object"})
    with pytest.raises(ValueError, match="of kind optional object"):
        checked_record({"x": 3}, task, "line=1")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", LINE, "must end in .jsonl or .jsonl.gz"),
        ("a.jsonl", "\n", "must hold at least one"),
        ("a.jsonl.gz", b"no gzip", "must be complete and gzipped"),
    ],
)
def test_a_file_of_no_records_is_named(name, content, message, tmp_path):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_records(path, TASK)
    assert f"file='{path}'" in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="file of records must exist"):
        read_records(tmp_path / "a.jsonl", TASK)
    with pytest.raises(ValueError, match="which is a folder"):
        read_records(tmp_path, TASK)


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_local_records_are_found_by_task_and_split(name, tmp_path):
    content = gzip.compress(LINE.encode()) if name.endswith("gz") else LINE
    write(tmp_path / "sums" / name, content)
    assert len(local_records(tmp_path, TASK, "train")) == 1
    with pytest.raises(FileNotFoundError, match="must have the split test"):
        local_records(tmp_path, TASK, "test")


def test_two_files_of_one_split_are_an_error(tmp_path):
    write(tmp_path / "sums" / "test.jsonl", LINE)
    write(tmp_path / "sums" / "test.jsonl.gz", gzip.compress(LINE.encode()))
    with pytest.raises(ValueError, match="A split must be one file"):
        local_records(tmp_path, TASK, "test")
