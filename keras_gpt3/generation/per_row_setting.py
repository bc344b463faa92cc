"""A sampler's setting, for all rows of a batch or for each its own."""

from keras import ops


def per_row(setting, dtype):
    """A setting as a column that broadcasts against scores."""
    return ops.reshape(ops.cast(setting, dtype), (-1, 1))
