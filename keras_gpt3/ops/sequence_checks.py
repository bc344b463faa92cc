"""Checks of token ids and of lengths, also in TensorFlow's graphs."""

import sys

import keras
import numpy as np
from keras import ops

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.graph_assertion import is_in_graph


def check_token_ids(token_ids, vocabulary_size, name="token_ids"):
    """Raise unless all ids are from 0 to below `vocabulary_size`.

    In a graph, as inside `tf.data`, the check becomes a part of it: a GPU would
    return zeros for an id outside the table, without a word.

    Args:
        token_ids: int array or tensor, any shape.
        vocabulary_size: int.
        name: string. What the caller calls the ids. Defaults to
            `"token_ids"`.

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
    if is_in_graph(token_ids):
        return _check_in_graph(token_ids, vocabulary_size, name)
    values = np.asarray(
        ops.convert_to_numpy(token_ids)
        if ops.is_tensor(token_ids)
        else token_ids
    )
    _check_integers(name, values.dtype, values.dtype.kind in "iu")
    outside = (values < 0) | (values >= vocabulary_size)
    if outside.any():
        before, after = _message(name, vocabulary_size)
        raise ValueError(f"{before}{values[outside][0]}{after}")
    return token_ids


def check_concrete_token_ids(token_ids, vocabulary_size):
    """Raise as `check_token_ids`, but leaves symbolic tensors alone."""
    symbolic = isinstance(token_ids, keras.KerasTensor)
    if not (symbolic or is_in_graph(token_ids) or _is_jax_tracer(token_ids)):
        check_token_ids(token_ids, vocabulary_size)


def _is_jax_tracer(x):
    """Whether JAX is tracing a function of `x`."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.core.Tracer)


def _check_in_graph(token_ids, vocabulary_size, name):
    """The same check as operations of a TensorFlow graph."""
    import tensorflow as tf

    _check_integers(name, token_ids.dtype.name, token_ids.dtype.is_integer)
    # In int64: a small type of ids need not hold the size of the vocabulary.
    values = tf.reshape(tf.cast(token_ids, "int64"), [-1])
    outside = values[(values < 0) | (values >= vocabulary_size)]
    # The first one; the 0 stands in where there is none.
    value = tf.concat([outside, tf.zeros(1, "int64")], axis=0)[0]
    before, after = _message(name, vocabulary_size)
    return assert_in_graph(
        token_ids, tf.size(outside) == 0, before, value, after
    )


def _check_integers(name, dtype, are_integers):
    """Raise unless the ids, of this dtype, are integers."""
    if not are_integers:
        raise ValueError(
            f"{name} must be integers. Received: dtype={dtype}. "
            "Tokenize the text, or cast the ids to int32."
        )


def _message(name, vocabulary_size):
    """The error before and after the id."""
    return (
        f"{name} must be from 0 to below vocabulary_size={vocabulary_size}. "
        "Received: id=",
        ". Use the tokenizer that the model was made for, or a larger "
        "vocabulary_size.",
    )


def check_segments_shape(segment_ids, token_ids):
    """Raise unless each token has a segment."""
    shapes = tuple(segment_ids.shape), tuple(token_ids.shape)
    pairs = zip(*shapes, strict=False)
    differ = any(a != b for a, b in pairs if None not in (a, b))
    if differ or len(shapes[0]) != len(shapes[1]):
        error = ValueError(
            "segment_ids must have the shape of token_ids. Received: "
            f"segment_ids.shape={shapes[0]}, token_ids.shape={shapes[1]}. Pass "
            "the number of its document for each token."
        )
        # Else Keras adds lines of arguments where a layer raises it.
        error._keras_call_info_injected = True
        raise error


def check_sequence_length(length, max_sequence_length):
    """Raise if a sequence of known length exceeds the model's context."""
    if length is not None and length > max_sequence_length:
        before, after = _length_message(max_sequence_length)
        error = ValueError(f"{before}{length}{after}")
        # Else Keras adds lines of arguments where a layer raises it.
        error._keras_call_info_injected = True
        raise error


def check_context(token_ids, max_sequence_length):
    """Raise if ids are longer than the context, also where a graph runs."""
    length = token_ids.shape[-1]
    if length is not None or not is_in_graph(token_ids):
        check_sequence_length(length, max_sequence_length)
        return token_ids
    import tensorflow as tf  # In a TensorFlow graph.

    length = tf.shape(token_ids)[-1]
    before, after = _length_message(max_sequence_length)
    fits = length <= max_sequence_length
    return assert_in_graph(token_ids, fits, before, length, after)


def _length_message(max_sequence_length):
    """The error before and after the length."""
    return (
        "A sequence must not be longer than max_sequence_length="
        f"{max_sequence_length}. Received: length=",
        ". Shorten it, or build the model with a larger max_sequence_length.",
    )
