"""The examples of a task, wherever they come from."""

import pathlib

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.evaluation.task_definitions.arithmetic import arithmetic_records
from keras_gpt3.evaluation.task_definitions.task_examples import make_examples
from keras_gpt3.evaluation.task_definitions.task_records import checked_record
from keras_gpt3.evaluation.task_definitions.task_records import local_file
from keras_gpt3.evaluation.task_definitions.task_records import local_records
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    word_scrambling_records,
)
from keras_gpt3.needed_packages import needed_packages


def task_examples(task, split, data=None, records=None, seed=0):
    """Load the examples of one split of a task."""
    return make_examples(task, _records(task, split, data, records, seed))


# Of a task's hub: a split that is neither drawn from nor asked, or the one
# that demonstrations are of. Locally the second name is read as well.
DEVELOPMENT = "dev"
SPLITS = ("test", DEVELOPMENT)


def compared_examples(task, splits=SPLITS, data=None, seed=0):
    """Load what a training text may hold of a task, by the name of the set.

    Appendix C of Brown et al. 2020 takes test and development sets. The test
    has the task's name. Many tasks have no development set of their own: the
    paper asks it where the answers of the test are not public, and generated
    ones need none.
    """
    found = {}
    for split in splits:
        check_choice("splits", split, SPLITS)
        if split == "test":
            found[task.name] = task_examples(task, split, data, seed=seed)
        elif has_development_split(task, data):
            name = f"{task.name}, {split}"
            found[name] = task_examples(task, split, data, seed=seed)
    return found


def has_development_split(task, data=None):
    """Whether a task has one beside what is asked."""
    if _is_local(task, data):
        return local_file(data, task, DEVELOPMENT) is not None
    return task.hub is not None and DEVELOPMENT in task.hub["splits"]


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
    """Name where the examples of a split come from, for messages."""
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


_GENERATORS = {
    "arithmetic": arithmetic_records,
    "word_scrambling": word_scrambling_records,
}


def synthetic_records(task, split="test", seed=0):
    """Generate the records of a synthetic task (section 3.9 of the paper)."""
    check_choice("generator", task.generator, tuple(_GENERATORS))
    return _GENERATORS[task.generator](task.name, split=split, seed=seed)


def hub_records(task, split):
    """Load a split of a task's dataset, over the network or from its cache."""
    name = _split_name(task, split)
    rows = _load(task, name)
    where = f"path='{task.hub['path']}', split='{name}'"
    return [
        checked_record(row, task, f"{where}, row={number}")
        for number, row in enumerate(rows)
    ]


def _split_name(task, split):
    """What the hub calls a split."""
    if task.hub is None:
        raise ValueError(
            f"{task.name} must be read from local files: it is not on the hub. "
            f"Received: no folder of data. {_local(task, split)}"
        )
    name = task.hub["splits"].get(split)
    if name is None:
        raise ValueError(
            f"{task.name} must have the split {split} on the hub. Received: "
            f"splits={task.hub['splits']}. {_local(task, split)}"
        )
    return name


def _load(task, name):
    """The rows of a split."""
    need = f"{task.name} must be read from the hub with datasets"
    with needed_packages(need, "evaluate"):
        import datasets
    try:
        return datasets.load_dataset(
            task.hub["path"],
            task.hub.get("name"),
            split=name,
            revision=task.hub.get("revision"),
        )
    # OSError: no network, no such dataset; the others: no such configuration
    # or split, a dataset that is a script.
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        split = next(s for s, n in task.hub["splits"].items() if n == name)
        raise OSError(
            f"The dataset of {task.name} must load from the hub. Received: "
            f"path='{task.hub['path']}', split='{name}' "
            f"({type(error).__name__}: {reason}). {_local(task, split)}"
        ) from error


def _local(task, split):
    if task.text_file is not None and split == "test":
        return f"Put {task.text_file} into FOLDER and pass --data FOLDER."
    return (
        f"Write FOLDER/{task.name}/{split}.jsonl with the fields "
        f"{', '.join(task.fields)} and pass --data FOLDER."
    )
