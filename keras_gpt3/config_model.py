"""Configs that pydantic checks: their types, and errors of one line.

It is loaded with the first config: `import keras_gpt3` does without pydantic.
"""

import dataclasses
import difflib
import functools
import inspect
import os
import types
import typing

import numpy as np

from keras_gpt3.argument_checks import cut_text
from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import needed_packages

with needed_packages("A config must be checked by pydantic", "pretrain"):
    import pydantic
    import pydantic.dataclasses


# === Types ===


def _plain(value):
    """The value in types that YAML writes and reads again as they are.

    A run must find in its folder what it was begun with: tuples become lists,
    paths strings, and NumPy's numbers Python's.
    """
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(
        "must be of types that YAML can hold", "Pass numbers, strings, lists."
    )


def _integer(value):
    """YAML may write an integer as 1e9."""
    value = _plain(value)
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _section(value):
    """A section whose lines are all comments holds its defaults."""
    return {} if value is None else value


# Without `Strict`, pydantic takes "3" for 3, and 1 for `True`.
_PLAIN = pydantic.Strict(), pydantic.BeforeValidator(_plain)
Bool = typing.Annotated[bool, *_PLAIN]
Dict = typing.Annotated[dict, *_PLAIN]
Float = typing.Annotated[float, *_PLAIN]
Str = typing.Annotated[str, *_PLAIN]
Int = typing.Annotated[
    int, pydantic.Strict(), pydantic.BeforeValidator(_integer)
]
PositiveInt = typing.Annotated[Int, pydantic.Field(ge=1)]
NonNegativeInt = typing.Annotated[Int, pydantic.Field(ge=0)]
PositiveFloat = typing.Annotated[Float, pydantic.Field(gt=0)]
Share = typing.Annotated[Float, pydantic.Field(ge=0, le=1)]
_Kind = typing.TypeVar("_Kind")
Section = typing.Annotated[_Kind, pydantic.BeforeValidator(_section)]


@typing.dataclass_transform(frozen_default=True)
def config_section(kind):
    """Make a class a frozen dataclass whose fields pydantic checks.

    A check of one field raises `ValueError(invariant, remedy)`, where the
    invariant begins with "must"; one of several raises the whole sentence.
    """
    kind = pydantic.dataclasses.dataclass(
        frozen=True, config=pydantic.ConfigDict(extra="forbid")
    )(kind)
    check = kind.__init__

    @functools.wraps(check)
    def init(self, *args, **values):
        try:
            check(self, *args, **values)
        except pydantic.ValidationError as error:
            bound = inspect.signature(kind).bind_partial(*args, **values)
            raise _plain_error(error, kind, bound.arguments) from error

    kind.__init__ = init
    return kind


def make_config(kind, values, what="config", where=None):
    """Make a config of a dict of values, checked.

    An error calls it `what`, and may say `where` its first key stands.
    """
    try:
        return pydantic.TypeAdapter(kind).validate_python(values)
    except pydantic.ValidationError as error:
        raise _plain_error(error, kind, values, what, where) from error


# === Errors ===

_UNKNOWN = ("unexpected_keyword_argument", "invalid_key")
_WRAPPERS = (typing.Annotated, typing.Union, types.UnionType)


def _plain_error(error, kind, values, what="config", where=None):
    """The `ValueError` of one line for the first of pydantic's errors."""
    # First what is misspelt: what is missing may be just that.
    errors = sorted(
        error.errors(include_url=False),
        key=lambda each: each["type"] not in _UNKNOWN,
    )
    first = errors[0]
    keys, value = _found(first, values)
    path = _path(keys)
    place = f"Received: {where(*keys[:1])}, " if where else "Received: "
    received = f"{place}{path or what}={echoed(value)}."
    if first["loc"][-1:] == ("[key]",):
        path = f"A key of {_path(keys[:-1])}"
        received = f"{place}{echoed(first['input'])}."
    if first["type"] in _UNKNOWN:
        known = _kind_at(kind, keys[:-1]).__pydantic_fields__
        close = difflib.get_close_matches(keys[-1], known, n=3)
        return ValueError(
            f"A {what} must hold known keys only. {received} Use one of "
            f"{', '.join(close or known)}."
        )
    if first["type"] == "missing":
        remedy = "." if where else f", or pass --set {path}=..."
        return ValueError(
            f"A {what} must hold {path}. {place}no such key. Add it{remedy}"
        )
    if first["type"] == "dataclass_type":
        return ValueError(
            f"{path or f'A {what}'} must hold keys and values. {received} "
            "Write one `key: value` a line."
        )
    if first["type"] == "value_error":
        invariant, *remedy = first["ctx"]["error"].args
        if not remedy:
            return ValueError(invariant)
        return ValueError(f"{path} {invariant}. {received} {remedy[0]}")
    kinds = [e["msg"] for e in errors if _found(e, values)[0] == keys]
    kinds = [text.partition(" should ")[2] for text in kinds]
    invariant = " or ".join(dict.fromkeys(kinds)).replace(" or be ", " or ")
    return ValueError(
        f"{path} must {invariant}. {received} {_remedy(kind, keys, what)}"
    )


def _found(error, values):
    """The keys that lead to a value, without pydantic's names of types."""
    if error["type"] == "missing":
        return error["loc"], None
    keys = []
    for key in error["loc"]:
        is_item = isinstance(values, (list, tuple)) and type(key) is int
        if not is_item and not (isinstance(values, dict) and key in values):
            break
        values = values[key]
        keys.append(key if is_item else str(key))
    return keys, values


def _path(keys):
    """The keys as `--set` takes them, such as `data.skip_batches[0]`."""
    names = [
        f"[{key}]" if type(key) is int else "." + cut_text(key) for key in keys
    ]
    return "".join(names).removeprefix(".")


def _kind_at(kind, keys):
    """The type of what stands at some keys of a config."""
    for key in keys:
        if dataclasses.is_dataclass(kind):
            kind = kind.__pydantic_fields__[key].annotation
        else:  # The values of a dict, or the items of a list.
            kind = (None, *typing.get_args(kind))[-1]
        while typing.get_origin(kind) in _WRAPPERS:
            kind = typing.get_args(kind)[0]
    return kind


def _remedy(kind, keys, what):
    """What to do instead: leave out a field that has a default."""
    parent = _kind_at(kind, keys[:-1])
    if dataclasses.is_dataclass(parent):
        field = parent.__pydantic_fields__[keys[-1]]
        if not field.is_required() and field.default_factory is None:
            return f"Leave it out for the default, {field.default!r}."
    return f"Change the {what}."
