"""A file of results: JSON that is read as strictly as it is written."""

import dataclasses
import json
import math
import numbers
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.reporting.report import json_text

# In the folder of a report.
RESULTS_FILE = "results.json"

_KINDS = {
    "task": str,
    "model": str,
    "shots": int,
    "seed": int,
    "metric": str,
    "value": float,
    "standard_error": float,
    "interval": list,
    "num_examples": int,
    "mean_shots": float,
    "num_parameters": int,
    "draws": int,
}
_CALLED = {
    str: "a string",
    int: "an integer",
    float: "a number",
    list: "a pair of numbers",
}
_OPTIONAL = ("num_parameters", "draws")


def write_results(results, path):
    """Write results, whole or not at all."""
    text = json_text([dataclasses.asdict(result) for result in results])
    with atomic_write(path) as file:
        file.write(text.encode())


def read_results(path):
    """Read the results of a report, in which `null` is not a number."""
    try:
        content = json.loads(pathlib.Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "A file of results must be what an evaluation wrote. Received: "
            f"'{path}', which does not exist. Pass the folder of its report."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"A file of results must be JSON. Received: '{path}' ({error}). "
            "Pass a file that an evaluation wrote."
        ) from error
    if not isinstance(content, list):
        raise ValueError(
            "A file of results must hold a list. Received: "
            f"'{path}', which holds a {type(content).__name__}. Pass a file "
            "that an evaluation wrote."
        )
    return [
        _result(f"{path}, result {number}", fields)
        for number, fields in enumerate(content, start=1)
    ]


def with_results_of(results, paths):
    """Put results of other evaluations beside those of this one.

    What is there already, a result of the same task, metric, model, K, seed
    and draws, is not taken a second time.
    """
    joined = {_of_what(result): result for result in results}
    for path in map(pathlib.Path, paths):
        file = path / RESULTS_FILE if path.is_dir() else path
        for result in read_results(file):
            joined.setdefault(_of_what(result), result)
    return list(joined.values())


def _of_what(result):
    names = ("task", "metric", "model", "shots", "seed", "draws")
    return tuple(getattr(result, name) for name in names)


def _result(where, fields):
    if not isinstance(fields, dict):
        raise ValueError(
            f"A result must be an object. Received: {where}: {echoed(fields)}. "
            "Pass a file that an evaluation wrote."
        )
    unknown = [name for name in fields if name not in _KINDS]
    missing = [n for n in _KINDS if n not in fields and n not in _OPTIONAL]
    if unknown or missing:
        raise ValueError(
            f"A result must hold exactly the known fields. Received: {where}: "
            f"unknown={unknown}, missing={missing}. Use {', '.join(_KINDS)}."
        )
    for name, value in fields.items():
        if not _is_kind(name, value):
            raise ValueError(
                f"The field {name} of a result must be {_CALLED[_KINDS[name]]}."
                f" Received: {where}: {name}={echoed(value)}. Correct it."
            )
    read = {name: _number(_KINDS[name], v) for name, v in fields.items()}
    return TaskResult(**read)


def _is_kind(name, value):
    kind = _KINDS[name]
    if name in _OPTIONAL and value is None:
        return True
    if kind is list:
        is_pair = isinstance(value, list) and len(value) == 2
        return is_pair and all(map(_is_number, value))
    if kind is float:
        return _is_number(value)
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_number(value):
    # To Python a bool is an integer.
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number or value is None


def _number(kind, value):
    """A field's value, with NaN where the file has `null`."""
    if kind is list:
        return tuple(_number(float, bound) for bound in value)
    return math.nan if value is None and kind is float else value
