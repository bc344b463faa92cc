"""Encoding inside TensorFlow graphs, through one Python function a call."""

import numpy as np

from keras_gpt3.tokenization.nested_inputs import to_texts


def in_graph():
    """Tells whether TensorFlow is tracing a graph right now."""
    import tensorflow as tf

    return not tf.executing_eagerly()


def encode_in_graph(encode_batch, inputs, dtype="int32"):
    """Encodes a tensor of strings."""
    import tensorflow as tf

    inputs = tf.convert_to_tensor(inputs)
    if inputs.shape.rank not in (0, 1):
        raise ValueError(
            "`inputs` must be a string tensor of rank 0 or 1. Received: "
            f"inputs.shape={inputs.shape}. Map over the outer dimensions."
        )

    def encode(texts):
        sequences = encode_batch(to_texts(texts)[0])
        lengths = np.array([len(ids) for ids in sequences], "int64")
        return np.array([id for ids in sequences for id in ids], dtype), lengths

    # Strings live on the host. Stateless: equal texts have equal ids.
    with tf.device("cpu"):
        values, lengths = tf.numpy_function(
            encode, [tf.reshape(inputs, [-1])], [dtype, "int64"], stateful=False
        )
        values.set_shape([None])
        if inputs.shape.rank == 0:
            return values
        lengths.set_shape(inputs.shape)
        return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def decode_in_graph(decode, inputs):
    """Decodes a tensor of token ids."""
    import tensorflow as tf

    rank = inputs.shape.rank
    if rank not in (1, 2):
        raise ValueError(
            "`inputs` must be token ids of rank 1 or 2. Received: "
            f"inputs.shape={inputs.shape}. Pass one sequence or a batch."
        )

    def decode_rows(ids, splits):
        rows = np.split(ids, splits[1:-1])
        texts = [decode(row).encode() for row in rows[: len(splits) - 1]]
        return np.array(texts, dtype=object)

    with tf.device("cpu"):
        batch = inputs if rank == 2 else tf.expand_dims(inputs, 0)
        if isinstance(batch, tf.Tensor):
            batch = tf.RaggedTensor.from_tensor(batch)
        texts = tf.numpy_function(
            decode_rows,
            [batch.flat_values, batch.row_splits],
            tf.string,
            stateful=False,
        )
        texts.set_shape(batch.shape[:1])
        return texts if rank == 2 else texts[0]
