"""Checks that sequences fit the context, eagerly and in TensorFlow graphs."""

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.graph_assertion import is_in_graph


def check_sequence_length(length, max_sequence_length):
    """Raises if a sequence of known length exceeds the model's context."""
    if length is not None and length > max_sequence_length:
        before, after = _message(max_sequence_length)
        error = ValueError(f"{before}{length}{after}")
        # Else Keras adds lines of arguments where a layer raises it.
        error._keras_call_info_injected = True
        raise error


def check_context(token_ids, max_sequence_length):
    """Raises if ids are longer than the context, also where a graph runs."""
    length = token_ids.shape[-1]
    if length is not None or not is_in_graph(token_ids):
        check_sequence_length(length, max_sequence_length)
        return token_ids
    import tensorflow as tf  # In a TensorFlow graph.

    length = tf.shape(token_ids)[-1]
    before, after = _message(max_sequence_length)
    fits = length <= max_sequence_length
    return assert_in_graph(token_ids, fits, before, length, after)


def _message(max_sequence_length):
    """The error before and after the length."""
    return (
        "A sequence must not be longer than max_sequence_length="
        f"{max_sequence_length}. Received: length=",
        ". Shorten it, or build the model with a larger max_sequence_length.",
    )
