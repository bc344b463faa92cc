"""Checks of token ids, eagerly and in TensorFlow graphs."""

import keras
import numpy as np
from keras import ops


def check_token_ids(token_ids, vocabulary_size):
    """Raises unless all ids are from 0 to below `vocabulary_size`.

    In a graph, as inside `tf.data`, the check becomes a part of it: a GPU would
    return zeros for an id outside the table, without a word.

    Args:
        token_ids: int array or tensor, any shape.
        vocabulary_size: int.

    Returns:
        `token_ids`; in a graph a tensor that carries the check.

    Raises:
        ValueError: If an id is outside, or the ids are not integers.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.ops.check_token_ids([[1, 2]], vocabulary_size=3)
    ```
    """
    if _in_graph(token_ids):
        return _check_in_graph(token_ids, vocabulary_size)
    values = np.asarray(
        ops.convert_to_numpy(token_ids)
        if ops.is_tensor(token_ids)
        else token_ids
    )
    _check_integers(values.dtype, np.issubdtype(values.dtype, np.integer))
    outside = (values < 0) | (values >= vocabulary_size)
    if outside.any():
        raise ValueError(_message(vocabulary_size, values[outside][0]))
    return token_ids


def check_concrete_token_ids(token_ids, vocabulary_size):
    """Raises as `check_token_ids`, but leaves symbolic tensors alone.

    Args:
        token_ids: int array or tensor, any shape.
        vocabulary_size: int.

    Raises:
        ValueError: If an id is outside, or the ids are not integers.
    """
    if isinstance(token_ids, keras.KerasTensor) or _in_graph(token_ids):
        return
    check_token_ids(token_ids, vocabulary_size)


def _in_graph(x):
    """Whether `x` is a tensor of a TensorFlow graph under construction."""
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.is_tensor(x) and tf.is_symbolic_tensor(x)


def _check_in_graph(token_ids, vocabulary_size):
    """The same check as operations of a TensorFlow graph."""
    import tensorflow as tf

    _check_integers(token_ids.dtype.name, token_ids.dtype.is_integer)
    # In int64: a small type of ids need not hold the size of the vocabulary.
    values = tf.cast(token_ids, "int64")
    limit = tf.constant(vocabulary_size, "int64")
    message = _message(vocabulary_size, "an id outside")
    checks = [
        tf.debugging.assert_less(values, limit, message=message),
        tf.debugging.assert_non_negative(values, message=message),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(token_ids)


def _check_integers(dtype, are_integers):
    """Raises unless the ids, of this dtype, are integers."""
    if not are_integers:
        raise ValueError(
            f"token_ids must be integers. Received: dtype={dtype}. "
            "Tokenize the text, or cast the ids to int32."
        )


def _message(vocabulary_size, received):
    return (
        "token_ids must be from 0 to below vocabulary_size="
        f"{vocabulary_size}. Received: {received}. Use the tokenizer that the "
        "model was made for, or a larger vocabulary_size."
    )
