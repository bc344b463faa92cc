"""Arrays in Orbax' format: every device writes and reads its own part. JAX."""

import math
import os

import keras
import numpy as np

from keras_gpt3.backend_check import require_backend

# A device holds the old and the new values of so many bytes at a time.
_BYTES_AT_A_TIME = 2**30


def require_orbax():
    """Import Orbax where every device writes and reads its own part."""
    require_backend(
        "jax",
        "A sharded checkpoint",
        "Use the checkpoints of keras-gpt3 pretrain or "
        "keras.callbacks.BackupAndRestore there.",
    )
    return import_orbax()


def import_orbax():
    """Import Orbax, which writes and reads arrays by the parts of devices."""
    try:
        from orbax.checkpoint import v1
    except ImportError as error:
        raise ImportError(
            "Sharded checkpoints must be written and read by Orbax. Received: "
            f"{error}. Install it with pip install 'keras-gpt3[jax]'."
        ) from error
    return v1


class OrbaxFormat:
    """Writes and reads arrays that no device and no process has whole."""

    name = "orbax"
    # Each process writes what its devices have.
    is_distributed = True

    # One process would have to read back what all of them wrote.
    @property
    def has_checksums(self):
        """Whether every byte is read back: Orbax' index alone has checksums."""
        import jax

        return jax.process_count() == 1

    def versions(self):
        """The versions of what writes, to be noted."""
        import jax
        from orbax import checkpoint

        return {"jax": jax.__version__, "orbax": checkpoint.__version__}

    def snapshot(self, variables):
        """The values of variables, where they are."""
        return {name: variable.value for name, variable in variables.items()}

    def begin_write(self, folder, arrays):
        """Copy values to the host; return what waits until they are written.

        The next step of training may take their place on the devices.
        """
        return import_orbax().save_async(_path(folder), arrays).result

    def restore(self, folder, variables):
        """Read the values of variables, each device its own part."""
        parts = list(_parts(variables))
        for number, part in enumerate(parts, start=1):
            try:
                _restore_part(_path(folder), part)
            except Exception as error:  # Orbax raises this very class.
                raise OSError(
                    "A checkpoint must be readable to its end. Received: path="
                    f"'{folder}', {type(error).__name__} in part {number} of "
                    f"{len(parts)}. Restore another checkpoint before the "
                    "model is used: it holds the parts before."
                ) from error


def _path(folder):
    """Orbax' own folder below that of a checkpoint: absolute, or an address."""
    folder = os.fspath(folder)
    folder = folder if "://" in folder else os.path.abspath(folder)
    return os.path.join(folder, "arrays")


def _parts(variables):
    """Yield the variables by so many that a device can hold them twice."""
    part, part_bytes = {}, 0
    for name, variable in variables.items():
        num_bytes = _num_bytes_here(variable)
        if part and part_bytes + num_bytes > _BYTES_AT_A_TIME:
            yield part
            part, part_bytes = {}, 0
        part[name] = variable
        part_bytes += num_bytes
    yield part


def _num_bytes_here(variable):
    """Bytes that a device has of a variable."""
    if keras.config.backend() != "jax":
        return variable.value.dtype.size * math.prod(variable.shape)
    value = variable.value
    shape = value.sharding.shard_shape(value.shape)
    return math.prod(shape) * value.dtype.itemsize


def _restore_part(path, part):
    ocp = import_orbax()
    context = ocp.Context()
    context.pytree.loading.partial_load = True
    # Only rows of padding come or go: the shapes have been compared.
    context.array.loading.enable_padding_and_truncation = True
    with context:
        values = ocp.load(path, {n: _as_it_lies(v) for n, v in part.items()})
    for name, variable in part.items():
        variable.assign(values[name])


def _as_it_lies(variable):
    """What Orbax makes an array like: of JAX on its devices, or of numpy."""
    if keras.config.backend() != "jax":
        dtype = keras.backend.standardize_dtype(variable.dtype)
        return np.zeros(variable.shape, dtype)
    import jax

    value = variable.value
    return jax.ShapeDtypeStruct(
        value.shape, value.dtype, sharding=value.sharding
    )
