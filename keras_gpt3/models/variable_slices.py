"""Variables filled in place, part by part, by a TensorFlow operation."""

import keras
import numpy as np


def fill_variable(variable, parts):
    """Sets a variable from parts that together cover it.

    On TensorFlow each part is written into the variable's own memory, that of
    every replica. Other backends have no such operation: they get the whole
    array at once, with zeros where there is no part: a table that is padded
    for several devices has more rows than there are ids.
    """
    if keras.backend.backend() == "tensorflow":
        for slices, array in parts:
            _assign_in_place(variable, slices, array)
        return
    whole = np.zeros(variable.shape, variable.dtype)
    for slices, array in parts:
        whole[slices] = array
    variable.assign(whole)


def _assign_in_place(variable, slices, array):
    """Writes into the memory of a variable, or of each of its replicas."""
    import tensorflow as tf

    value = variable.value
    for component in getattr(value, "values", (value,)):
        # `component[slices].assign` reads the variable first, and what is
        # being read is copied as a whole before it is written to.
        tf.raw_ops.ResourceStridedSliceAssign(
            ref=component.handle,
            begin=[part.start for part in slices],
            end=[part.stop for part in slices],
            strides=[1] * len(slices),
            value=tf.cast(array, component.dtype),
        )
