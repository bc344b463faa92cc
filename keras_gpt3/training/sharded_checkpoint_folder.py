"""The folder of the checkpoints of sharded models. JAX only."""

import os

from keras_gpt3.backend_check import require_backend
from keras_gpt3.echoed_value import echoed


def import_orbax():
    """Import Orbax, which writes and reads arrays by the parts of devices."""
    require_backend(
        "jax",
        "A sharded checkpoint",
        "Use the checkpoints of keras-gpt3 pretrain or "
        "keras.callbacks.BackupAndRestore there.",
    )
    try:
        from orbax.checkpoint import v1
    except ImportError as error:
        raise ImportError(
            "Sharded checkpoints must be written and read by Orbax. Received: "
            f"{error}. Install it with pip install 'keras-gpt3[jax]'."
        ) from error
    return v1


def checkpoint_root(folder):
    """Return the folder as Orbax wants it: absolute, or an address."""
    folder = os.fspath(folder)
    return folder if "://" in folder else os.path.abspath(folder)


def checkpoint_steps(folder):
    """Find the steps of whole checkpoints, not those of interrupted saves."""
    names = import_orbax().path.step.standard_name_format()
    return sorted(found.step for found in names.find_all(folder))


def checkpoint_path(folder, step=None):
    """Find a checkpoint."""
    steps = checkpoint_steps(folder)
    if not steps:
        raise FileNotFoundError(
            "directory must hold a checkpoint. Received: directory="
            f"'{folder}', which holds none. Pass that of a ShardedCheckpoint "
            "that has saved."
        )
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ValueError(
            f"step must be one of {steps}. Received: step={echoed(step)}, "
            f"directory='{folder}'. Pass one of these, or None for the last."
        )
    return step, os.path.join(folder, str(step))


def read_metadata(path):
    """Read what a checkpoint says of itself, without its arrays."""
    metadata = import_orbax().metadata(path)
    facts = metadata.custom_metadata
    if not facts or "backbone" not in facts:
        raise ValueError(
            "A checkpoint must be one that ShardedCheckpoint wrote. Received: "
            f"path='{path}', without the config of a backbone. Use "
            "model.load_weights for those of keras.callbacks.OrbaxCheckpoint."
        )
    if metadata.metadata is None:  # Orbax has logged why.
        raise OSError(
            "A checkpoint must tell the shapes of its arrays. Received: path="
            f"'{path}', of which they cannot be read. Use another checkpoint."
        )
    shapes = {
        group: {name: tuple(array.shape) for name, array in arrays.items()}
        for group, arrays in metadata.metadata.items()
    }
    return facts, shapes
