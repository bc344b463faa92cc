"""What a tokenizer takes: texts, or tensors of them, in and outside graphs.

Inside a TensorFlow graph it encodes through one Python function a call.
"""

import numpy as np


def in_graph():
    """Return whether TensorFlow is tracing a graph right now."""
    import tensorflow as tf

    return not tf.executing_eagerly()


def encode_in_graph(encode_batch, inputs, dtype="int32"):
    """Encode a tensor of strings."""
    import tensorflow as tf

    inputs = tf.convert_to_tensor(inputs)
    if inputs.shape.rank not in (0, 1):
        raise ValueError(
            "inputs must be a string tensor of rank 0 or 1. Received: "
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
    """Decode a tensor of token ids."""
    import tensorflow as tf

    rank = inputs.shape.rank
    if rank not in (1, 2):
        raise ValueError(
            "inputs must be token ids of rank 1 or 2. Received: "
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


def to_texts(inputs):
    """Bring strings in any form to a list of strings."""
    inputs = _to_list(inputs)
    batched = isinstance(inputs, (list, tuple))
    return [_to_text(x) for x in (inputs if batched else [inputs])], batched


def _to_text(item):
    """Read one string."""
    item = _to_list(item)
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError as error:
            byte = f"0x{item[error.start]:02X}"
            received = f"an invalid byte {byte} at position {error.start}"
            raise ValueError(received.join(INVALID_UTF8)) from None
    if not isinstance(item, str):
        raise ValueError(
            "inputs must be a string or a flat list of strings. Received: "
            f"inputs with {item!r:.50} ({type(item).__name__}). Pass one text "
            "or a list of texts."
        )
    return item


def to_id_sequences(inputs):
    """Bring token ids in any form to a list of lists of int."""
    inputs = _to_list(inputs)
    if not isinstance(inputs, (list, tuple)):
        return [[inputs]], False
    items = [_to_list(item) for item in inputs]
    batched = bool(items) and isinstance(items[0], (list, tuple))
    return (items if batched else [items]), batched


def _to_list(values):
    """Take an array or an eager tensor apart; leave the rest as it is."""
    if hasattr(values, "numpy"):
        values = values.numpy()
    return values.tolist() if hasattr(values, "tolist") else values


# What is said of it everywhere, before and after what was received.
INVALID_UTF8 = (
    "Texts must be valid UTF-8. Received: ",
    ". Replace it with U+FFFD, or send the text as UTF-8.",
)


def check_text(text):
    """Check that a text can be encoded and decoded back.

    tiktoken would replace lone surrogates in silence.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"Texts must be str. Received: text={text!r:.50} "
            f"({type(text).__name__}). Decode bytes as UTF-8 first."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        surrogate = f"U+{ord(text[error.start]):04X}"
        received = f"a lone surrogate {surrogate} at position {error.start}"
        raise ValueError(received.join(INVALID_UTF8)) from None


def truncate_left(token_ids, length, num_kept=0):
    """Drop first tokens of a prompt, but not those that it must start with.

    As in transformers, a start token stays: a model that was trained with one
    must not go without.
    """
    num_dropped = max(len(token_ids) - length, 0)
    return token_ids[:num_kept] + token_ids[num_kept + num_dropped :]
