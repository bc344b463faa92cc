"""A checkpoint's files: arrays in TensorFlow's format, sizes and checksums."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import platform

import numpy as np

from keras_gpt3.regular_file import check_regular_file
from keras_gpt3.version import __version__

ARRAYS_PREFIX = "arrays"
# What TensorFlow is about to write it holds twice more (measured): of a GiB,
# then, and not of the whole model and its optimizer.
_PART_BYTES = 2**30


def write_arrays(folder, arrays, part_bytes=_PART_BYTES):
    """Write arrays as a checkpoint that `tf.train.load_checkpoint` reads."""
    import tensorflow as tf

    prefixes = []
    # Without a device, arrays would go through the accelerator's memory.
    with tf.device("CPU:0"):
        for names in _parts(arrays, part_bytes):
            prefixes.append(os.path.join(folder, f"part_{len(prefixes)}"))
            tf.raw_ops.SaveV2(
                prefix=prefixes[-1],
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=[arrays[name] for name in names],
            )
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=prefixes,
            destination_prefix=os.path.join(folder, ARRAYS_PREFIX),
            delete_old_dirs=False,
        )


def _parts(arrays, part_bytes):
    """Yield lists of names of arrays that fit into a part together."""
    names, num_bytes = [], 0
    for name, array in arrays.items():
        if names and num_bytes + array.nbytes > part_bytes:
            yield names
            names, num_bytes = [], 0
        names.append(name)
        num_bytes += array.nbytes
    yield names


def seal_files(folder):
    """Bring a folder's files to the disk and take their checksums."""
    sealed = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            sealed[path.name] = {
                "num_bytes": os.fstat(file.fileno()).st_size,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
    return sealed


def complete_manifest(folder):
    """Return the manifest of a folder that looks complete."""
    try:
        manifest = CheckpointManifest.read(folder)
        for name, record in manifest.files.items():
            if (
                os.path.getsize(os.path.join(folder, name))
                != (record["num_bytes"])
            ):
                return None
    except (OSError, ValueError):
        return None
    return manifest


def find_damage(folder):
    """Look for what is wrong with a checkpoint; read every byte of it."""
    try:
        manifest = CheckpointManifest.read(folder)
    except (FileNotFoundError, NotADirectoryError):
        return f"{MANIFEST_NAME} is missing"
    except OSError as error:
        return f"{MANIFEST_NAME} cannot be read ({error})"
    except ValueError:
        return f"{MANIFEST_NAME} is cut short, changed or of another format"
    damages = (
        _file_damage(os.path.join(folder, name), record)
        for name, record in manifest.files.items()
    )
    return next(filter(None, damages), None)


def _file_damage(path, record):
    name = os.path.basename(path)
    try:
        if os.path.getsize(path) != record["num_bytes"]:
            return f"{name} has another size than its manifest states"
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read ({error})"
    if sha256 != record["sha256"]:
        return f"{name} has another sha256 than its manifest states"
    return None


def read_arrays(folder, names):
    """Read arrays back, each with the dtype and shape it was written with."""
    import tensorflow as tf

    prefix = os.path.join(folder, ARRAYS_PREFIX)
    reader = tf.train.load_checkpoint(prefix)
    # The reader gives numpy's scalars where the shape is empty.
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


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


@dataclasses.dataclass(frozen=True)
class RestoredCheckpoint:
    """What `RunCheckpoints.restore` returns.

    Args:
        step: int. The number of steps that the run had done.
        arrays: dict. Name to numpy array.
        facts: dict. What was passed to `save`, as JSON gives it back.
        folder: `pathlib.Path`. Where it was read from.

    Example:

    ```python
    import tempfile

    import numpy as np

    from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints

    with RunCheckpoints(tempfile.mkdtemp()) as checkpoints:
        checkpoints.save(100, {"kernel": np.ones(3)}, facts={"seed": 0})
        restored = checkpoints.restore()
    print(restored.step, restored.arrays["kernel"], restored.facts["seed"])
    ```
    """

    step: int
    arrays: dict
    facts: dict
    folder: pathlib.Path

    @classmethod
    def read(cls, folder):
        """Read a checkpoint that was found sound.

        Args:
            folder: `pathlib.Path`. The checkpoint's folder.

        Returns:
            A `RestoredCheckpoint`.
        """
        manifest = CheckpointManifest.read(folder)
        arrays = read_arrays(folder, manifest.arrays)
        return cls(manifest.step, arrays, manifest.facts, folder)
