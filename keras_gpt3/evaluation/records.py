"""Reads the records of a task from JSON-lines files."""

import os
import pathlib

from keras_gpt3.data.json_objects import read_json_objects
from keras_gpt3.echoed_value import echoed

_SUFFIXES = (".jsonl", ".jsonl.gz")

# Tasks whose files OpenAI published under other names.
PUBLISHED_NAMES = {
    "anagrams_1": "mid_word_1_anagrams",
    "anagrams_2": "mid_word_2_anagrams",
}

# In front of the kind of a field that may be null or missing.
OPTIONAL = "optional "
# Kind of a field -> the type of its value.
KINDS = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "list": list,
    "object": dict,
}


class Record(dict):
    """The fields of a record, which knows where it was read.

    Args:
        fields: dict.
        where: string. What messages call it, such as file and line.

    Example:

    ```python
    from keras_gpt3.evaluation.records import Record

    Record({"context": "1 + 1 =", "completion": " 2"}, "file='a.jsonl', line=3")
    ```
    """

    def __init__(self, fields, where):
        super().__init__(fields)
        self.where = where


def read_records(path, task):
    """Reads a file of one record a line; empty lines are left out.

    Args:
        path: path. A `.jsonl` or `.jsonl.gz` file.
        task: `Task`. Its `fields` are what each record must have; further ones
            are dropped.

    Returns:
        A list of `Record`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has another suffix, is a folder or empty, or a line
            is not UTF-8, no JSON object, or lacks a field.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.records import read_records
    from keras_gpt3.evaluation.task_table import find_tasks

    line = '{"question": "who wrote it", "answer": ["nobody"]}'
    pathlib.Path("test.jsonl").write_text(line)
    (task,) = find_tasks(["natural_questions"])
    read_records("test.jsonl", task)
    ```
    """
    path = os.fspath(path)
    records = [
        checked_record(entry, task, where)
        for where, entry in read_json_objects(path, "records")
    ]
    if not records:
        raise ValueError(
            "A file of records must hold at least one. Received: "
            f"file='{path}', which holds none. Add some."
        )
    return records


def local_records(folder, task, split):
    """Reads a split of a task from a folder of local data.

    Args:
        folder: path. It holds `TASK/train.jsonl` and `TASK/test.jsonl`, each
            perhaps gzipped with `.gz` behind; or what `local_file` finds of a
            synthetic task.
        task: `Task`.
        split: string. `"train"`, which demonstrations are of, or `"test"`.

    Returns:
        A list of `Record`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there are both, or as `read_records` says.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.records import local_records
    from keras_gpt3.evaluation.task_table import find_tasks

    (task,) = find_tasks(["piqa"])
    pathlib.Path("data/piqa").mkdir(parents=True)
    pathlib.Path("data/piqa/test.jsonl").write_text(
        '{"goal": "Open a can.", "sol1": "Turn it.", "sol2": "Pull the ring.",'
        ' "label": 1}'
    )
    local_records("data", task, "test")
    ```
    """
    path = local_file(folder, task, split)
    if path is None:
        path = pathlib.Path(folder) / task.name / f"{split}.jsonl"
        raise FileNotFoundError(
            f"A task's local data must have the split {split}. Received: "
            f"'{path}', which does not exist, with or without .gz. Write "
            "that file, or leave out the folder of data."
        )
    return read_records(path, task)


def local_file(folder, task, split):
    """Finds the file of a split in a folder of local data.

    OpenAI published the synthetic tasks as one file each, without a split:
    both splits are that file, `FOLDER/NAME.jsonl`. Of a synthetic task that
    has a `TASK/test.jsonl` alone, demonstrations are from there as well.

    Args:
        folder: path.
        task: `Task`.
        split: string. `"train"` or `"test"`.

    Returns:
        A `pathlib.Path`, or `None` if there is none.

    Raises:
        ValueError: If it is there both gzipped and not.
    """
    folder = pathlib.Path(folder)
    own = folder / task.name
    stems = [own / split]
    if task.generator is not None:
        name = PUBLISHED_NAMES.get(task.name, task.name)
        stems += (
            [own / "test", folder / name]
            if split == "train"
            else [folder / name]
        )
    for stem in stems:
        paths = [stem.with_name(stem.name + suffix) for suffix in _SUFFIXES]
        found = [path for path in paths if path.is_file()]
        if len(found) > 1:
            raise ValueError(
                "A split must be one file. Received: "
                f"'{paths[0]}' and '{paths[1]}'. Remove one."
            )
        if found:
            return found[0]
    return None


def checked_record(entry, task, where):
    """Makes a record of an object that has the fields of a task.

    Args:
        entry: dict.
        task: `Task`.
        where: string. What messages call it.

    Returns:
        A `Record` of the task's fields alone.

    Raises:
        ValueError: If a field is missing or of another kind.

    Example:

    ```python
    from keras_gpt3.evaluation.records import checked_record
    from keras_gpt3.evaluation.task_table import find_tasks

    (task,) = find_tasks(["two_digit_addition"])
    entry = {"context": "1 plus 1 is", "completion": " 2"}
    checked_record(entry, task, "line=1")
    ```
    """
    record = Record({}, where)
    for name, kind in task.fields.items():
        value = entry.get(name)
        record[name] = value
        if value is None and kind.startswith(OPTIONAL):
            continue
        reason = _fault(entry, name, kind.removeprefix(OPTIONAL))
        if reason:
            raise ValueError(
                f"A record of {task.name} must have the field {echoed(name)} "
                f"of kind {kind}. Received: {where} ({reason}). Correct or "
                "remove it."
            )
    return record


def _fault(entry, name, kind):
    """What is wrong with a field, or `None`."""
    if name not in entry:
        return f"only {', '.join(map(repr, entry)) or 'an empty object'}"
    value = entry[name]
    # To Python a bool is an int.
    if not isinstance(value, KINDS[kind]) or (
        kind == "integer" and isinstance(value, bool)
    ):
        return f"it is of type {type(value).__name__}"
    try:
        # Escapes can spell half a character, which has no bytes.
        if kind == "string":
            value.encode()
    except UnicodeEncodeError as error:
        return str(error)
    return None
