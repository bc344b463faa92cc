"""The examples of a task, wherever they come from."""

import pathlib

from keras_gpt3.evaluation.hub_records import hub_records
from keras_gpt3.evaluation.records import checked_record
from keras_gpt3.evaluation.records import local_file
from keras_gpt3.evaluation.records import local_records
from keras_gpt3.evaluation.synthetic_records import synthetic_records
from keras_gpt3.evaluation.task_examples import make_examples


def task_examples(task, split, data=None, records=None, seed=0):
    """Loads the examples of one split of a task.

    Args:
        task: `Task`.
        split: string. `"train"` or `"test"`.
        data: path. A folder of local files, `FOLDER/TASK/SPLIT.jsonl`, or of
            those that OpenAI published of the synthetic tasks; see
            `local_file`. A synthetic task is generated unless the folder has
            a file of it: what is generated beside may hold the same problems.
            Defaults to `None`: the task's generator, or its dataset on the
            hub.
        records: dict from a split to its records, each a dict. Goes before
            `data`. Defaults to `None`.
        seed: int. Of generated records. Defaults to `0`.

    Returns:
        A list of `Example`.

    Raises:
        FileNotFoundError: If the split is not in the folder.
        ImportError: If the dataset needs a package that is not installed.
        OSError: If a dataset cannot be loaded.
        ValueError: If a record is damaged; the message names it.

    Example:

    ```python
    from keras_gpt3.evaluation.task_data import task_examples
    from keras_gpt3.evaluation.task_table import find_tasks

    (task,) = find_tasks(["two_digit_addition"])
    task_examples(task, "test")[0].context  # "\\n\\nQ: What is ..."
    ```
    """
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
    """Says where the examples of a split come from, for messages.

    Args:
        task: `Task`.
        split: string. `"train"` or `"test"`.
        data: as for `task_examples`. Defaults to `None`.
        records: as for `task_examples`. Defaults to `None`.

    Returns:
        A string, which names the task, and the file if it is one.

    Example:

    ```python
    from keras_gpt3.evaluation.task_data import split_source
    from keras_gpt3.evaluation.task_table import find_tasks

    (task,) = find_tasks(["two_digit_addition"])
    split_source(task, "train")
    # "the training split of two_digit_addition (generated)"
    ```
    """
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
