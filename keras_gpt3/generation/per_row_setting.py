"""A sampler's setting, for all rows of a batch or for each its own."""

from keras import ops


def per_row(setting, dtype):
    """A setting as a column that broadcasts against scores.

    Args:
        setting: number or tensor of shape `()` or `(batch,)`.
        dtype: string. The dtype of the column.

    Returns:
        A tensor of shape `(1, 1)` or `(batch, 1)`.

    Example:

    ```python
    from keras_gpt3.generation.per_row_setting import per_row

    per_row([0.5, 1.0], "float32")  # [[0.5], [1.0]]
    ```
    """
    return ops.reshape(ops.cast(setting, dtype), (-1, 1))
