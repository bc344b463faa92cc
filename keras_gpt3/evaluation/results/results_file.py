"""Reads files of results as strictly as reports write them.

It loads pydantic, and is imported where there are files to read.
"""

import math
import pathlib
import typing

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.results.report import RESULTS_FILE
from keras_gpt3.needed_packages import needed_packages

with needed_packages("Results must be checked by pydantic", "evaluate"):
    import pydantic
    import pydantic.dataclasses


def _not_null(value):
    """JSON has no NaN: where a number must be, `null` is one."""
    return math.nan if value is None else value


_Number = typing.Annotated[float, pydantic.BeforeValidator(_not_null)]


@pydantic.dataclasses.dataclass(
    config=pydantic.ConfigDict(extra="forbid", strict=True), frozen=True
)
class _FileResult(TaskResult):
    """A result as a file holds it."""

    value: _Number
    standard_error: _Number
    interval: tuple[_Number, _Number]
    mean_shots: _Number


_CONTENT = pydantic.TypeAdapter(list[_FileResult])


def read_results(path):
    """Read the results of a report, in which `null` is not a number."""
    try:
        content = pathlib.Path(path).read_bytes()
        return [
            TaskResult(**vars(result))
            for result in _CONTENT.validate_json(content)
        ]
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "A file of results must be what an evaluation wrote. Received: "
            f"'{path}', which does not exist. Pass the folder of its report."
        ) from error
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(
            f"[{key}]" if isinstance(key, int) else f".{key}"
            for key in first["loc"]
        )
        raise ValueError(
            "A file of results must be what an evaluation wrote. Received: "
            f"file='{path}', {where or 'content'}={echoed(first['input'])} "
            f"({first['msg']}). Pass another file."
        ) from error


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
