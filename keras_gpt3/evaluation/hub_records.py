"""Reads the records of a task from Hugging Face's hub."""

from keras_gpt3.evaluation.records import checked_record
from keras_gpt3.needed_packages import needed_packages


def hub_records(task, split):
    """Loads a split of a task's dataset, over the network or from its cache."""
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
    return (
        f"Write FOLDER/{task.name}/{split}.jsonl with the fields "
        f"{', '.join(task.fields)} and pass --data FOLDER."
    )
