"""The examples of a task, wherever they come from."""

import pathlib

from keras_gpt3.evaluation.hub_records import hub_records
from keras_gpt3.evaluation.records import checked_record
from keras_gpt3.evaluation.records import local_file
from keras_gpt3.evaluation.records import local_records
from keras_gpt3.evaluation.synthetic_records import synthetic_records
from keras_gpt3.evaluation.task_examples import make_examples


def task_examples(task, split, data=None, records=None, seed=0):
    """Loads the examples of one split of a task."""
    return make_examples(task, _records(task, split, data, records, seed))


def _records(task, split, data, records, seed):
    if records is not None:
        name = f"{task.name}, {split}"
        return [
            checked_record(record, task, f"{name}, record {number}")
            for number, record in enumerate(records.get(split, ()), start=1)
        ]
    if _is_local(task, data):
        return local_records(data, task, split)
    if task.generator is not None:
        return synthetic_records(task, split, seed)
    return hub_records(task, split)


def split_source(task, split, data=None, records=None):
    """Says where the examples of a split come from, for messages."""
    if records is not None:
        place = "records"
    elif _is_local(task, data):
        file = local_file(data, task, split)
        file = file or pathlib.Path(data, task.name, f"{split}.jsonl")
        place = f"file='{file}'"
    elif task.generator is not None:
        place = "generated"
    else:
        place = f"path='{task.hub['path']}'" if task.hub else "no data"
    name = "training" if split == "train" else split
    return f"the {name} split of {task.name} ({place})"


def _is_local(task, data):
    """Whether a task's examples are files of a folder."""
    if data is None or task.generator is None:
        return data is not None
    return any(local_file(data, task, split) for split in ("train", "test"))
