"""Reads a task from a YAML file; what it does not know is an error."""

import pathlib
import types
import typing

from keras_gpt3.echoed_value import echoed
from keras_gpt3.evaluation.task import Task
from keras_gpt3.evaluation.task_rules import TaskFault
from keras_gpt3.evaluation.task_rules import check_keys
from keras_gpt3.evaluation.task_rules import check_task
from keras_gpt3.strict_yaml import strict_yaml


def read_task(path):
    """Reads a task of the paper, or one of your own.

    The keys are the arguments of `Task`. Those that the scoring does not use
    may not be there; what a shipped task looks like is in
    `keras_gpt3/evaluation/tasks`.

    Args:
        path: path. A YAML file, or an entry of `importlib.resources`.

    Returns:
        A `Task`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no YAML; a key is unknown, missing, of another
            type, or of no use with the scoring; a template cannot be parsed or
            asks for a field that is not listed; or the scoring does not give a
            metric.
        ImportError: If PyYAML or Jinja is not installed.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.task_file import read_task

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
    try:
        return _task(values)
    except TaskFault as fault:
        invariant, received, remedy = fault.args
        where = f"file='{path}'"
        if fault.key in lines:
            where += f", line={lines[fault.key]}"
        raise ValueError(
            f"{invariant}. Received: {where}, {received}. {remedy}."
        ) from fault


def _parse(path):
    """The values of a file, and a dict from its keys to their lines."""
    yaml, loader_class = strict_yaml(
        "A task must be read with PyYAML", "evaluate"
    )
    try:
        # Bytes: PyYAML says by itself what is no text.
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


def _task(values):
    """The task of a file's keys and values, checked."""
    if not isinstance(values, dict):
        raise TaskFault(
            "A task must hold keys and values",
            "no value, it is empty"
            if values is None
            else f"a {type(values).__name__}",
            "Write one `key: value` a line",
        )
    values = dict(values)
    check_keys(values)
    # What the scoring does not use.
    values.setdefault("context", "")
    values.setdefault("target", "")
    hints = typing.get_type_hints(Task)
    task = Task(
        **{key: _typed(key, hints[key], item) for key, item in values.items()}
    )
    check_task(task)
    return task


def _typed(key, hint, value):
    """The value as the type of its field."""
    kinds = (
        typing.get_args(hint) if isinstance(hint, types.UnionType) else [hint]
    )
    if tuple in kinds and isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return tuple(value)
    elif float in kinds and type(value) in (int, float):
        return float(value)
    # To Python a bool is an int.
    elif tuple not in kinds and type(value) in kinds:
        return value
    names = {tuple: "list of strings", types.NoneType: "null"}
    known = " or ".join(names.get(kind, kind.__name__) for kind in kinds)
    raise TaskFault(
        f"{key} must be of type {known}",
        f"{key}={echoed(value)}",
        "Correct it",
        key,
    )
