"""A dense layer's product, however many rows there are."""

from keras_gpt3.ops.row_product import is_few_rows
from keras_gpt3.ops.row_product import row_product


def apply_dense(dense, x):
    """Calls a dense layer, by the quicker product where few rows are decoded.

    Args:
        dense: `keras.layers.Dense` without activation.
        x: tensor of shape `(batch, length, input_dim)`.

    Returns:
        A tensor of shape `(batch, length, units)`.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_gpt3.layers.dense_product import apply_dense

    y = apply_dense(keras.layers.Dense(8), np.ones((1, 10, 4), "float32"))
    ```
    """
    changed = dense.quantization_mode or dense.lora_enabled
    if is_few_rows(x) and not changed:
        return row_product(x, dense.kernel, dense.bias)
    return dense(x)
