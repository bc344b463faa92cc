"""Reads a task from a YAML file; what it does not know is an error."""

import difflib
import functools
import importlib.resources
import os
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.task_definitions.task_records import PUBLISHED_NAMES
from keras_gpt3.strict_yaml import strict_yaml


def read_task(path):
    """Read a task of the paper, or one of your own.

    The keys are the arguments of `Task`. Those that the scoring does not use
    may not be there; what a shipped task looks like is in
    `keras_gpt3/evaluation/tasks`.

    Args:
        path: path. A YAML file, or an entry of `importlib.resources`.

    Returns:
        A `Task`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML; a key is unknown, missing, of another
            type, or of no use with the scoring; a template cannot be parsed or
            uses a field that is not listed; or the scoring does not give a
            metric.
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation import read_task

    pathlib.Path("capitals.yaml").write_text('''
    name: capitals
    title: Capitals
    fields: {country: string, capital: string}
    context: "The capital of {{ country }} is"
    target: " {{ capital }}"
    scoring: generate
    metrics: [exact_match]
    shots: 4
    ''')
    read_task("capitals.yaml")
    ```
    """
    path = pathlib.Path(path) if isinstance(path, str) else path
    if not path.is_file():
        raise FileNotFoundError(
            "A task must be a file that exists. Received: "
            f"file='{path}'. Write one, or correct the path."
        )
    values, lines = _parse(path)

    def where(key=None):
        line = f", line={lines[key]}" if key in lines else ""
        return f"file='{path}'{line}"

    # Not with this module: `import keras_gpt3` does without pydantic.
    from keras_gpt3.evaluation.task_definitions import task_rules

    try:
        return task_rules.checked_task(values, where)
    except task_rules.TaskFault as fault:
        invariant, received, remedy = fault.args
        raise ValueError(
            f"{invariant}. Received: {where(fault.key)}, {received}. {remedy}."
        ) from fault


def _parse(path):
    """The values of a file, and a dict from its keys to their lines."""
    yaml, loader_class = strict_yaml(
        "A task must be read with PyYAML", "evaluate"
    )
    try:
        # Bytes: PyYAML says by itself what is not text.
        loader = loader_class(path.read_bytes())
        node = loader.get_single_node()
        if node is None:
            return None, {}
        values, lines = loader.construct_document(node), {}
    except yaml.YAMLError as error:
        raise ValueError(
            f"A task must be YAML. Received: file='{path}'{_what(error)}. "
            "Correct that place."
        ) from error
    if isinstance(values, dict):
        lines = {k.value: k.start_mark.line + 1 for k, _ in node.value}
    return values, lines


def _what(error):
    """Where PyYAML stopped, and why; its own text calls the file bytes."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        # No text: there are no lines.
        return f" ({error.reason}, position {error.position})"
    reasons = (getattr(error, "context", None), error.problem)
    reason = ", ".join(" ".join(r.split()) for r in reasons if r)
    return f", line={mark.line + 1} ({reason})"


_SUFFIXES = (".yaml", ".yml")
_EVERY = "all"
_OWN_NAMES = {theirs: own for own, theirs in PUBLISHED_NAMES.items()}


def shipped_tasks():
    """List the tasks that come with the package.

    Returns:
        A dict from the name of a task to its `Task`, in alphabetical order.

    Raises:
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation import shipped_tasks

    shipped_tasks()["arc_challenge"].shots  # 50
    ```
    """
    return dict(_read_tasks())


def task_groups():
    """List the groups of the tasks that come with the package.

    Returns:
        A dict from the name of a group to a tuple of the names of its tasks.

    Raises:
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation import task_groups

    task_groups()["anli"]  # ("anli_r1", "anli_r2", "anli_r3")
    ```
    """
    groups = {_EVERY: tuple(_read_tasks())}
    for name, task in _read_tasks().items():
        for group in task.groups:
            groups[group] = (*groups.get(group, ()), name)
    return dict(sorted(groups.items()))


def find_tasks(names):
    """Find tasks.

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
    from keras_gpt3.evaluation import find_tasks

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
