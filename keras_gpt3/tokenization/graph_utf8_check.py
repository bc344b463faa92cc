"""Refuses bytes that are no text, inside a graph."""

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.tokenization.text_check import INVALID_UTF8


def check_utf8(texts):
    """Makes texts carry a check that they are valid UTF-8."""
    import tensorflow as tf

    # Invalid bytes become U+FFFD; whatever is valid stays.
    mended = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", "replace")
    invalid = tf.where(mended != texts)[:, 0]
    before, after = INVALID_UTF8
    return assert_in_graph(
        texts,
        tf.size(invalid) == 0,
        f"{before}an invalid byte in the text at index=",
        # The -1 stands in where there is none.
        tf.pad(invalid, [[0, 1]], constant_values=-1)[0],
        after,
    )
