"""Reads a config from a YAML file and `a.b=c` overrides; writes it back."""

import dataclasses
import functools
import os
import pathlib
import re
import sys
import types
import typing

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.echoed_value import cut_text
from keras_gpt3.echoed_value import echoed
from keras_gpt3.strict_yaml import strict_yaml


def read_config(kind, path, overrides=()):
    """Reads a file into a dataclass; what it does not know is an error."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            "A config must be a file that exists. Received: "
            f"config='{path}'. Write one, or mend the path."
        )
    # Bytes: PyYAML says by itself what is no text.
    values = _parse(path.read_bytes(), f"The config file {path}")
    values = {} if values is None else values
    for override in overrides:
        _override(values, override)
    return make_config(kind, values)


def make_config(kind, values, prefix=""):
    """Makes a dataclass of a dict of values, checked."""
    if not isinstance(values, dict):
        name = prefix[:-1] or "config"
        raise ValueError(
            f"{name} must hold keys and values. Received: "
            f"{name}={echoed(values)}. Write one `key: value` a line."
        )
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            raise ValueError(
                "A config must hold known keys only. Received: "
                f"{prefix}{cut_text(str(key))}={echoed(value)}. Use one of "
                f"{', '.join(fields)}."
            )
    hints = typing.get_type_hints(kind)
    arguments = {
        key: _checked(hints[key], value, f"{prefix}{key}")
        for key, value in values.items()
    }
    for name, field in fields.items():
        if name not in arguments and _is_required(field):
            raise ValueError(
                f"A config must hold {prefix}{name}. Received: no such key. "
                f"Add it, or pass --set {prefix}{name}=..."
            )
    return kind(**arguments)


def plain_config(config):
    """Brings a config made in Python to what its file will give back.

    Tuples become lists, paths strings, and numpy's numbers Python's: a run
    must find in its folder what it was begun with.
    """
    return make_config(type(config), _plain(config, ""))


def write_config(config, path):
    """Writes a config as YAML, whole or not at all."""
    yaml, _, dumper = _yaml()
    text = yaml.dump(dataclasses.asdict(config), Dumper=dumper, sort_keys=False)
    with atomic_write(path) as file:
        file.write(text.encode())


# === YAML ===


@functools.cache
def _yaml():
    """PyYAML, and a loader and a dumper that know `1e9` for a number."""
    yaml, strict_loader = strict_yaml(
        "A config file must be read with PyYAML", "pretrain"
    )

    class Loader(strict_loader):
        pass

    class Dumper(yaml.SafeDumper):
        # It quotes the string "1e9", which would else come back a float.

        def ignore_aliases(self, data):
            return True  # The loader refuses them.

    # PyYAML reads YAML 1.1, where an exponent needs both a point and a sign.
    exponent = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    for side in (Loader, Dumper):
        side.add_implicit_resolver(
            "tag:yaml.org,2002:float", exponent, list("-+0123456789")
        )
    return yaml, Loader, Dumper


def _parse(text, what):
    yaml, loader, _ = _yaml()
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        reason = cut_text(" ".join(str(error).split()).rstrip("."), 400)
        raise ValueError(
            f"{what} must be YAML. Received: {reason}. Mend that place."
        ) from error


def _override(values, override):
    """Puts one `a.b=c` into nested dicts."""
    path, equals, text = override.partition("=")
    *sections, key = path.split(".")
    if not (equals and key and all(sections)):
        raise ValueError(
            "An override must have the form a.b=c. Received: "
            f"{echoed(override)}. Write for example recipe.total_tokens=1e9."
        )
    for section in sections:
        if not isinstance(values, dict):
            break
        if values.get(section) is None:
            values[section] = {}
        values = values[section]
    if not isinstance(values, dict):
        raise ValueError(
            "An override must name a field inside sections. Received: "
            f"{echoed(override)}, where "
            f"{path.rpartition('.')[0] or 'the config'} holds no keys. Shorten "
            "it, or mend the file."
        )
    values[key] = _parse(text, f"The value of {path}")


# === Types ===


def _plain(value, name):
    """The value in types that YAML writes and reads again as they are."""
    if dataclasses.is_dataclass(value):
        # Not `asdict`, which copies what it does not know, a model say.
        return {
            field.name: _plain(
                getattr(value, field.name), f"{name}.{field.name}"
            )
            for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {
            _plain(key, f"A key of {name}"): _plain(item, f"{name}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(
        f"{name.lstrip('.')} must be of a type that YAML can hold. Received: "
        f"{name.lstrip('.')}={echoed(value)}, a {type(value).__name__}. Pass "
        "numbers, strings, lists and dicts."
    )


def _is_required(field):
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _checked(hint, value, name):
    """The value in the type that a field has."""
    if dataclasses.is_dataclass(hint):
        # A section whose lines are all comments holds its defaults.
        return make_config(hint, {} if value is None else value, f"{name}.")
    union = isinstance(hint, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    for kind in kinds:
        if _is_a(kind, value):
            return _converted(kind, value, name)
    known = " or ".join(_called(kind) for kind in kinds)
    raise ValueError(
        f"{name} must be of type {known}. Received: {name}={echoed(value)}. "
        "Change the config."
    )


def _is_a(kind, value):
    """Whether a value can stand where a kind is asked for."""
    if kind in (int, float):
        # To Python a bool is an int. YAML may hold 1 for a float, and 1e9 for
        # an int.
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if isinstance(value, int):  # Floats end at about 1e308.
            return kind is int or abs(value) <= sys.float_info.max
        return kind is float or value.is_integer()
    return isinstance(value, typing.get_origin(kind) or kind)


def _converted(kind, value, name):
    """The value as that kind, and so what it holds."""
    if kind in (int, float):
        return kind(value)
    items = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        return {
            _checked(
                items[0], key, f"Key {cut_text(str(key))} of {name}"
            ): _checked(items[1], item, f"{name}.{cut_text(str(key))}")
            for key, item in value.items()
        }
    if typing.get_origin(kind) is list:
        return [
            _checked(items[0], item, f"{name}[{index}]")
            for index, item in enumerate(value)
        ]
    return value


def _called(kind):
    """How a kind is called in a message."""
    if kind is type(None):
        return "None"
    return kind.__name__ if isinstance(kind, type) else str(kind)
