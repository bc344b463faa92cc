"""Stop strings inside a graph, each row's own. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import shape_message
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.ops.graph_assertion import assert_in_graph


def stop_rows(stop, batch_size):
    """Brings stop strings to one vector for each row."""
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
    """The bytes of the longest stop string."""
    return tf.maximum(tf.reduce_max(tf.strings.length(stop)), 0)
