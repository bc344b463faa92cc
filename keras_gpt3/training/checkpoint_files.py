"""A checkpoint's files: arrays in TensorFlow's format, sizes and checksums."""

import hashlib
import os
import pathlib

import numpy as np

from keras_gpt3.training.checkpoint_manifest import MANIFEST_NAME
from keras_gpt3.training.checkpoint_manifest import CheckpointManifest

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
