"""Reads a config from a YAML file and `a.b=c` overrides; writes it back."""

import dataclasses
import functools
import pathlib
import re

from keras_gpt3.argument_checks import cut_text
from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.strict_yaml import strict_yaml


def read_config(kind, path, overrides=()):
    """Read a file into a config; what it does not know is an error."""
    # Not with this module: a run folder, which knows it, is imported always.
    from keras_gpt3.config_model import make_config

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            "A config must be a file that exists. Received: "
            f"config='{path}'. Write one, or correct the path."
        )
    # Bytes: PyYAML says by itself what is not text.
    values = _parse(path.read_bytes(), f"The config file {path}")
    values = {} if values is None else values
    for override in overrides:
        _override(values, override)
    return make_config(kind, values)


def write_config(config, path):
    """Write a config as YAML, whole or not at all."""
    text = config_text(dataclasses.asdict(config))
    with atomic_write(path) as file:
        file.write(text.encode())


def config_text(values):
    """Write nested dicts as YAML, which `read_config` reads as they were."""
    yaml, _, dumper = _yaml()
    return yaml.dump(values, Dumper=dumper, sort_keys=False)


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
            f"{what} must be YAML. Received: {reason}. Correct that place."
        ) from error


def _override(values, override):
    """Put one `a.b=c` into nested dicts."""
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
            "it, or correct the file."
        )
    values[key] = _parse(text, f"The value of {path}")
