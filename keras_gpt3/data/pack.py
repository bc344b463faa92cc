"""Packing of tokenized documents inside a tf.data graph (TensorFlow)."""

from keras_gpt3.integer_argument import check_integer

# Documents that go through the graph together. One at a time, the overhead
# of a graph call would dominate short documents.
_CHUNK_DOCUMENTS = 128


def pack(dataset, sequence_length, end_token_id):
    """Pack a stream of tokenized documents into full contexts.

    The same contexts as those of `keras_gpt3.data.packed_dataset`, in the
    order of the documents: each document is followed by the end-of-text id, a
    context is `sequence_length + 1` consecutive tokens at a multiple of
    `sequence_length`, and a tail shorter than a context is left out.

    Args:
        dataset: `tf.data.Dataset` of integer tensors `(length,)`. The
            documents.
        sequence_length: int. The number of tokens in an input.
        end_token_id: int. The id that follows every document.

    Returns:
        A `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels)`, each
        `(sequence_length,)`. Token ids and labels are int32, labels shifted by
        one; the mask is bool and all `True`.

    Raises:
        ValueError: If a number is out of range or the dataset holds anything
            but integer vectors.

    Example:

    ```python
    import tensorflow as tf

    import keras_gpt3

    documents = tf.data.Dataset.from_tensor_slices([[1, 2], [3, 4]])
    dataset = keras_gpt3.data.pack(documents, sequence_length=2, end_token_id=9)
    for inputs, labels in dataset:
        print(inputs["token_ids"], labels)  # [1, 2] [2, 9]; [9, 3] [3, 4]
    ```
    """
    import tensorflow as tf

    check_integer("sequence_length", sequence_length, minimum=1)
    check_integer("end_token_id", end_token_id, minimum=0)
    _check_spec(dataset.element_spec)

    def cut_contexts(remainder, documents):
        tokens = tf.concat([remainder, _join(documents, end_token_id)], axis=0)
        # The last token has no label yet: it stays for the next chunk.
        num_contexts = tf.maximum(tf.size(tokens) - 1, 0) // sequence_length
        end = num_contexts * sequence_length
        shape = (num_contexts, sequence_length)
        labels = tf.reshape(tokens[1 : end + 1], shape)
        inputs = {
            "token_ids": tf.reshape(tokens[:end], shape),
            "padding_mask": tf.ones_like(labels, dtype="bool"),
        }
        return tokens[end:], (inputs, labels)

    if dataset.element_spec.shape.rank is None:
        dataset = dataset.map(lambda tokens: tf.ensure_shape(tokens, (None,)))
    chunks = dataset.ragged_batch(_CHUNK_DOCUMENTS)
    return chunks.scan(tf.zeros((0,), tf.int32), cut_contexts).unbatch()


def _join(documents, end_token_id):
    """Return one int32 vector: each document and its end-of-text id."""
    import tensorflow as tf

    # Documents of one static length come as a plain tensor.
    if isinstance(documents, tf.Tensor):
        documents = tf.RaggedTensor.from_tensor(documents)
    ends = tf.fill((documents.nrows(), 1), end_token_id)
    ends = tf.RaggedTensor.from_tensor(ends)
    return tf.concat([tf.cast(documents, tf.int32), ends], axis=1).flat_values


def _check_spec(spec):
    import tensorflow as tf

    is_vector = isinstance(spec, tf.TensorSpec) and spec.dtype.is_integer
    if not is_vector or spec.shape.rank not in (None, 1):
        raise ValueError(
            "Documents must be integer vectors, one a dataset element. "
            f"Received: element_spec={spec}. Map the dataset to 1-D tensors "
            "of token ids."
        )
