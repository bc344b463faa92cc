"""Stop strings inside a graph, each row's own. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import shape_message
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.ops.graph_assertion import assert_in_graph


def stop_rows(stop, batch_size):
    """Brings stop strings to one vector for each row.

    Args:
        stop: string tensor of unknown rank: a string or a vector `(number,)`
            for all rows, or `(batch, number)` or `(1, number)`, where `""` is
            padding.
        batch_size: int32 scalar.

    Returns:
        A string tensor of shape `(batch, number)`, behind checks; `""` is no
        stop string.

    Example:

    ```python
    import tensorflow as tf
    from keras_gpt3.export.graph_stop_strings import stop_rows

    @tf.function
    def rows(stop):
        return stop_rows(stop, batch_size=2)

    rows(tf.constant(["\\n"]))  # [["\\n"], ["\\n"]]
    ```
    """
    is_shared = tf.rank(stop) < 2
    # A scalar has no first dimension.
    rows = tf.where(is_shared, 1, tf.concat([tf.shape(stop), [1]], axis=0)[0])
    stop = assert_in_graph(
        stop,
        (tf.rank(stop) < 3) & ((rows == 1) | (rows == batch_size)),
        *shape_message("stop", tf.shape(stop)),
    )
    before, after = STOP_STRINGS
    listed = tf.strings.reduce_join(tf.reshape(stop, [-1]), separator=", ")
    stop = assert_in_graph(
        stop,
        ~is_shared | tf.reduce_all(tf.strings.length(stop) > 0),
        before,
        tf.strings.join(["[", listed, "]"]),
        after,
    )
    stop = tf.reshape(stop, [rows, -1])
    return tf.broadcast_to(stop, [batch_size, tf.shape(stop)[1]])


def first_stop(texts, stop):
    """Where the first stop string of each text begins.

    Stock TensorFlow finds no string in another; this compares each stretch of
    the texts' bytes with each stop string.

    Args:
        texts: string tensor of shape `(batch,)`, short ones.
        stop: string tensor of shape `(batch, number)`; `""` is none.

    Returns:
        An int32 tensor of shape `(batch,)`: the number of bytes before it, or
        -1 where there is none.

    Example:

    ```python
    import tensorflow as tf
    from keras_gpt3.export.graph_stop_strings import first_stop

    texts, stop = tf.constant(["one two", "x"]), tf.constant([["two"], ["y"]])
    tf.function(first_stop)(texts, stop)  # [4, -1]
    ```
    """
    lengths = tf.strings.length(texts)  # (B,)
    width = tf.reduce_max(lengths)
    # At least one byte, or the operation refuses.
    longest = tf.maximum(longest_stop(stop), 1)
    text_bytes = tf.io.decode_raw(
        texts, tf.uint8, fixed_length=width + longest
    )  # (B, N + P)
    starts = tf.range(width)
    offsets = tf.range(longest)
    stretches = tf.gather(
        text_bytes, starts[:, tf.newaxis] + offsets, axis=1
    )  # (B, N, P)
    none = lengths + 1

    def look_for(column, place):
        string = stop[:, column]
        size = tf.strings.length(string)[:, tf.newaxis]  # (B, 1)
        wanted = tf.io.decode_raw(string, tf.uint8, fixed_length=longest)
        is_same = stretches == wanted[:, tf.newaxis]  # (B, N, P)
        is_behind = offsets >= size  # (B, P)
        is_found = tf.reduce_all(is_same | is_behind[:, tf.newaxis], axis=2)
        is_found &= starts + size <= lengths[:, tf.newaxis]
        is_found &= size > 0
        places = tf.where(is_found, starts, none[:, tf.newaxis])
        # The minimum of no places is the largest integer.
        return column + 1, tf.minimum(place, tf.reduce_min(places, axis=1))

    _, place = tf.while_loop(
        lambda column, _: column < tf.shape(stop)[1],
        look_for,
        (tf.constant(0), none),
    )
    return tf.where(place < none, place, -1)


def longest_stop(stop):
    """The bytes of the longest stop string.

    Args:
        stop: string tensor of shape `(batch, number)`.

    Returns:
        An int32 scalar, 0 where there is none.
    """
    return tf.maximum(tf.reduce_max(tf.strings.length(stop)), 0)
