"""The tasks of the paper, found by name or group."""

import difflib
import functools
import importlib.resources
import os

from keras_gpt3.echoed_value import echoed
from keras_gpt3.evaluation.records import PUBLISHED_NAMES
from keras_gpt3.evaluation.task_file import read_task

_SUFFIXES = (".yaml", ".yml")
_EVERY = "all"
_OWN_NAMES = {theirs: own for own, theirs in PUBLISHED_NAMES.items()}


def shipped_tasks():
    """Lists the tasks that come with the package.

    Returns:
        A dict from the name of a task to its `Task`, in alphabetical order.

    Raises:
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.task_table import shipped_tasks

    shipped_tasks()["arc_challenge"].shots  # 50
    ```
    """
    return dict(_read_tasks())


def task_groups():
    """Lists the groups of the tasks that come with the package.

    Returns:
        A dict from the name of a group to a tuple of the names of its tasks.

    Raises:
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.task_table import task_groups

    task_groups()["anli"]  # ("anli_r1", "anli_r2", "anli_r3")
    ```
    """
    groups = {_EVERY: tuple(_read_tasks())}
    for name, task in _read_tasks().items():
        for group in task.groups:
            groups[group] = (*groups.get(group, ()), name)
    return dict(sorted(groups.items()))


def find_tasks(names):
    """Finds tasks.

    Args:
        names: iterable of strings, or one string with commas. Each is the name
            of a shipped task or group (`"superglue"`, `"arithmetic"`, `"all"`;
            see `task_groups`), the name of a published file
            (`"mid_word_1_anagrams"` is `"anagrams_1"`), or the path of a YAML
            file of your own.

    Returns:
        A tuple of `Task`, each once, in the order of `names`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If nothing has a name, two tasks have the same, or a file is
            damaged.
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.task_table import find_tasks

    [task.name for task in find_tasks("anli,piqa")]
    # ["anli_r1", "anli_r2", "anli_r3", "piqa"]
    ```
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    tasks = {}
    for name in names:
        for task in _found(name):
            if tasks.setdefault(task.name, task) != task:
                raise ValueError(
                    "Tasks must have different names. Received: "
                    f"{echoed(name)}, which has a second {echoed(task.name)}. "
                    "Rename one."
                )
    if not tasks:
        raise ValueError(
            "There must be at least one task. Received: an empty list. Name "
            "tasks or groups of them."
        )
    return tuple(tasks.values())


def _found(name):
    """The tasks that one name stands for."""
    name = _OWN_NAMES.get(name, name)
    if name in _read_tasks():
        return [_read_tasks()[name]]
    groups = task_groups()
    if name in groups:
        return [_read_tasks()[task] for task in groups[name]]
    if name.endswith(_SUFFIXES) or os.sep in name:
        return [read_task(name)]
    known = [*_read_tasks(), *groups, *_OWN_NAMES]
    close = difflib.get_close_matches(name, known, n=3)
    remedy = (
        f"The closest are {', '.join(close)}"
        if close
        else f"Use one of the groups {', '.join(groups)}"
    )
    raise ValueError(
        "A task must be a shipped name or group, or the path of a YAML file. "
        f"Received: {echoed(name)}. {remedy}."
    )


@functools.cache
def _read_tasks():
    folder = importlib.resources.files("keras_gpt3.evaluation") / "tasks"
    files = [f for f in folder.iterdir() if f.name.endswith(_SUFFIXES)]
    tasks = [read_task(file) for file in files]
    return {t.name: t for t in sorted(tasks, key=lambda task: task.name)}
