"""Arrays in TensorFlow's format: the first worker writes those of its host."""

import os

import keras
import numpy as np

_PREFIX = "arrays"
# What TensorFlow is about to write it holds twice more (measured): of a GiB,
# then, and not of the whole model and its optimizer.
_PART_BYTES = 2**30


class TensorFlowFormat:
    """Writes and reads arrays that `tf.train.load_checkpoint` reads as well."""

    name = "tensorflow"
    # The first worker writes for all.
    is_distributed = False
    # Every byte is read back: what is damaged is found before it is used.
    has_checksums = True

    def versions(self):
        """The versions of what writes, to be noted."""
        import tensorflow as tf

        return {"tensorflow": tf.__version__}

    def snapshot(self, variables):
        """Copy the values of variables to the host."""
        # A copy: on a CPU an array may share the variable's memory.
        return {
            name: np.array(keras.ops.convert_to_numpy(variable))
            for name, variable in variables.items()
        }

    def begin_write(self, folder, arrays):
        """Return what writes the arrays, to be called in the background."""
        return lambda: write_arrays(folder, arrays)

    def restore(self, folder, variables):
        """Read the values of variables, for all replicas of this worker."""
        # One after the other: the host holds one array twice, not all.
        arrays = _each_array(folder, variables)
        for array, variable in zip(arrays, variables.values(), strict=True):
            variable.assign(_with_rows(array, variable.shape))


def _with_rows(array, shape):
    """An array with rows of zeros more, or fewer, as the vocabulary's are."""
    if array.shape == tuple(shape):
        return array
    kept = array[tuple(slice(0, size) for size in shape)]
    missing = zip(shape, kept.shape, strict=True)
    return np.pad(kept, [(0, size - here) for size, here in missing])


def write_arrays(folder, arrays, part_bytes=_PART_BYTES):
    """Write arrays, in parts that bound the memory that it takes."""
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
            destination_prefix=os.path.join(folder, _PREFIX),
            delete_old_dirs=False,
        )


def read_arrays(folder, names):
    """Read arrays back, each with the dtype and shape it was written with."""
    return dict(zip(names, _each_array(folder, names), strict=True))


def _each_array(folder, names):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(os.path.join(folder, _PREFIX))
    # The reader returns numpy's scalars where the shape is empty.
    return (np.asarray(reader.get_tensor(name)) for name in names)


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
