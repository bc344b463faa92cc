"""Arrays in Orbax' format: every device writes and reads its own part. JAX."""

import math
import os

from keras_gpt3.backend_check import require_backend

# A device holds the old and the new values of so many bytes at a time.
_BYTES_AT_A_TIME = 2**30


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


class OrbaxFormat:
    """Writes and reads arrays that no device and no process has whole."""

    name = "orbax"
    # Each process writes what its devices have.
    is_distributed = True
    # One process would have to read what all of them wrote. Orbax has checksums
    # of its own, which it compares as it reads.
    has_checksums = False
    # A token embedding has some rows of zeros more where devices share it.
    pads_vocabulary = True

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
        value = variable.value
        shape = value.sharding.shard_shape(value.shape)
        num_bytes = math.prod(shape) * value.dtype.itemsize
        if part and part_bytes + num_bytes > _BYTES_AT_A_TIME:
            yield part
            part, part_bytes = {}, 0
        part[name] = variable
        part_bytes += num_bytes
    yield part


def _restore_part(path, part):
    import jax

    ocp = import_orbax()
    context = ocp.Context()
    context.pytree.loading.partial_load = True
    # Only rows of padding come or go: the shapes have been compared.
    context.array.loading.enable_padding_and_truncation = True
    as_it_lies = {
        name: jax.ShapeDtypeStruct(
            variable.value.shape,
            variable.value.dtype,
            sharding=variable.value.sharding,
        )
        for name, variable in part.items()
    }
    with context:
        values = ocp.load(path, as_it_lies)
    for name, variable in part.items():
        variable.assign(values[name])
