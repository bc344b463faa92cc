"""The parts of a batch to train on, or to evaluate."""

import keras


def unpack_batch(data):
    """Splits a batch; there must be labels."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError(
            "y must be given with token ids. Received: y=None. Pass the ids "
            "shifted by one, as packed_dataset gives them."
        )
    return x, y, sample_weight
