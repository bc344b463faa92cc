"""Refuses bytes that are no text, inside a graph."""

from keras_gpt3.ops.graph_assertion import assert_in_graph


def check_utf8(texts):
    """Makes texts carry a check that they are valid UTF-8.

    Args:
        texts: string tensor `(batch,)` of a TensorFlow graph.

    Returns:
        `texts`, behind the check.

    Example:

    ```python
    import tensorflow as tf

    from keras_gpt3.tokenization.graph_utf8_check import check_utf8

    tf.function(check_utf8)(tf.constant(["Hello"]))
    ```
    """
    import tensorflow as tf

    # Invalid bytes become U+FFFD; whatever is valid stays.
    mended = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", "replace")
    invalid = tf.where(mended != texts)[:, 0]
    return assert_in_graph(
        texts,
        tf.size(invalid) == 0,
        "Texts must be valid UTF-8. Received: invalid bytes in the text at "
        "index=",
        # The -1 stands in where there is none.
        tf.pad(invalid, [[0, 1]], constant_values=-1)[0],
        ". Replace them, as tf.strings.unicode_transcode does.",
    )
