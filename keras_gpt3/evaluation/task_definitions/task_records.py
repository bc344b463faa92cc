"""Reads the records of a task from local files, and checks their fields."""

import os
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import read_json_objects

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
    """Read a file of one record a line; empty lines are left out."""
    path = os.fspath(path)
    entries = (
        _text_lines(path)
        if os.path.basename(path) == task.text_file
        else read_json_objects(path, "records")
    )
    records = [checked_record(entry, task, where) for where, entry in entries]
    if not records:
        raise ValueError(
            "A file of records must hold at least one. Received: "
            f"file='{path}', which holds none. Add some."
        )
    return records


def _text_lines(path):
    """Yield the lines of a text file as records; empty ones are left out."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"file='{path}', line={number}"
            try:
                text = line.decode().rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise ValueError(
                    "A text file must be UTF-8. Received: "
                    f"{where} ({error.reason}). Convert it."
                ) from error
            if text.strip():
                yield where, {"text": text}


def local_records(folder, task, split):
    """Read a split of a task from a folder of local data."""
    path = local_file(folder, task, split)
    if path is None:
        path = pathlib.Path(folder) / task.name / f"{split}.jsonl"
        other = (
            f" or {task.text_file} beside its folder"
            if (task.text_file and split == "test")
            else ""
        )
        raise FileNotFoundError(
            f"A task's local data must have the split {split}. Received: "
            f"'{path}', which does not exist, with or without .gz. Write "
            f"that file{other}, or leave out the folder of data."
        )
    return read_records(path, task)


def local_file(folder, task, split):
    """Find the file of a split in a folder of local data.

    OpenAI published the synthetic tasks as one file each, without a split:
    both splits are that file, `FOLDER/NAME.jsonl`. Of a synthetic task that
    has a `TASK/test.jsonl` alone, demonstrations are from there as well. A
    split `dev` may be called validation, and a task with a text file is tested
    on `FOLDER/TEXT_FILE`.
    """
    folder = pathlib.Path(folder)
    own = folder / task.name
    stems = [own / split, *([own / "validation"] if split == "dev" else [])]
    if task.generator is not None:
        name = PUBLISHED_NAMES.get(task.name, task.name)
        stems += (
            [own / "test", folder / name]
            if split == "train"
            else [folder / name] * (split == "test")
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
    if task.text_file is not None and split == "test":
        path = folder / task.text_file
        return path if path.is_file() else None
    return None


def checked_record(entry, task, where):
    """Make a record of an object that has the fields of a task."""
    record = Record({}, where)
    for name, kind in task.fields.items():
        value = entry.get(name)
        record[name] = value
        if value is None and kind.startswith(OPTIONAL):
            continue
        reason = _record_fault(entry, name, kind.removeprefix(OPTIONAL))
        if reason:
            raise ValueError(
                f"A record of {task.name} must have the field {echoed(name)} "
                f"of kind {kind}. Received: {where} ({reason}). Correct or "
                "remove it."
            )
    return record


def _record_fault(entry, name, kind):
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
