"""The JSON manifest that makes a folder a checkpoint (TensorFlow's version)."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import platform

from keras_gpt3.regular_file import check_regular_file
from keras_gpt3.version import __version__

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
_OF_FILE, _OF_ARRAY = {"num_bytes", "sha256"}, {"dtype", "shape"}


@dataclasses.dataclass(frozen=True)
class CheckpointManifest:
    """What a checkpoint's folder holds; it carries a checksum of itself."""

    step: int
    metric: float | None
    facts: dict
    arrays: dict
    files: dict
    versions: dict
    written: str

    @classmethod
    def of_now(cls, step, metric, facts, arrays, files):
        """Return the manifest of a checkpoint that is being written."""
        described = {
            name: {"dtype": array.dtype.name, "shape": list(array.shape)}
            for name, array in arrays.items()
        }
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(step, metric, facts, described, files, _versions(), now)

    def write(self, folder):
        """Write `manifest.json`, and make it and its name last on the disk."""
        fields = {
            "format_version": FORMAT_VERSION,
            **dataclasses.asdict(self),
        }
        fields["sha256"] = _digest(fields)
        path = pathlib.Path(folder, MANIFEST_NAME)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(fields, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder):
        """Read and check `manifest.json`."""
        path = pathlib.Path(folder, MANIFEST_NAME)
        check_regular_file(path)
        try:
            fields = json.loads(path.read_bytes())
            found = fields.pop("sha256")
            version = fields["format_version"]
            is_whole = found == _digest(fields)
        except (
            AttributeError,
            KeyError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise ValueError(_changed(path, repr(error))) from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"A checkpoint's format_version must be {FORMAT_VERSION}. "
                f"Received: format_version={version!r:.200} in file='{path}'. "
                "Update keras_gpt3 or restore another checkpoint."
            )
        if not is_whole:
            raise ValueError(_changed(path, "another sha256 than it states"))
        del fields["format_version"]
        reason = _fault(fields)
        if reason:
            raise ValueError(_changed(path, reason))
        return cls(**fields)


def _fault(fields):
    """What is wrong with fields whose checksum is right: anyone can take it."""
    names = {field.name for field in dataclasses.fields(CheckpointManifest)}
    if set(fields) != names:
        changed = sorted(set(fields) ^ names)
        return f"other keys, {changed!r:.200}"
    for name in ("facts", "arrays", "files", "versions"):
        if not isinstance(fields[name], dict):
            return f"{name} is no object"
    for name in ("step", "metric"):
        value = fields[name]
        is_number = isinstance(value, (int, float)) or value is None
        if not is_number or (name == "step" and type(value) is not int):
            return f"{name} is no number"
    for name, record in fields["files"].items():
        if os.path.basename(name) != name or name in ("", ".", ".."):
            return f"a file elsewhere, {name!r:.200}"
        if not isinstance(record, dict) or not record.keys() >= _OF_FILE:
            return f"no size and sha256 of {name!r:.200}"
    for name, record in fields["arrays"].items():
        if not isinstance(record, dict) or not record.keys() >= _OF_ARRAY:
            return f"no dtype and shape of {name!r:.200}"
    return None


def _digest(fields):
    """Return the sha256 of fields, whatever the layout of the file."""
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _versions():
    import keras
    import numpy as np
    import tensorflow as tf

    return {
        "keras": keras.__version__,
        "keras_gpt3": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }


def _changed(path, reason):
    return (
        "A checkpoint's manifest must be as it was written. Received: "
        f"file='{path}' ({reason}). Restore another checkpoint."
    )
