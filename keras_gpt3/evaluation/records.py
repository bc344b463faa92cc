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
    """The fields of a record, which knows where it was read."""

    def __init__(self, fields, where):
        super().__init__(fields)
        self.where = where


def read_records(path, task):
    """Reads a file of one record a line; empty lines are left out."""
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
    """Reads a split of a task from a folder of local data."""
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
    """Makes a record of an object that has the fields of a task."""
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
