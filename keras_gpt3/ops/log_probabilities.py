"""Log-probabilities and losses of tokens, a chunk at a time.

Symbols as in the backbone, and: N tokens, C tokens of a chunk, A alternatives.
"""

from keras import ops

from keras_gpt3.ops.token_chunks import all_chunks
from keras_gpt3.ops.token_chunks import map_chunks


def token_log_probabilities(hidden_states, table, token_ids, top_n=0):
    """Compute log-probabilities of tokens under a head tied to the embeddings.

    Equal to what `log_softmax(hidden_states @ transpose(table))` holds at the
    tokens, but the logits exist for a chunk of positions at a time. The product
    is taken in the dtype of `hidden_states`, as the model's own, and the
    softmax in float32.

    Args:
        hidden_states: tensor of shape `(batch, length, hidden_dim)`. Each one
            predicts the token at its place in `token_ids`.
        table: tensor of shape `(vocabulary_size, hidden_dim)`.
        token_ids: int tensor of shape `(batch, length)`.
        top_n: int. Number of the most likely ids to give for each position.
            Defaults to `0`.

    Returns:
        A pair of the log-probabilities in nats, float32 of shape
        `(batch, length)`, and whether the token is the first of those with the
        highest logit, bool of the same shape. With `top_n` two more tensors of
        shape `(batch, length, top_n)`: the ids, int32, the most likely first,
        and their log-probabilities, float32.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops import token_log_probabilities

    states = np.ones((1, 2, 1), "float32")
    table = np.log([[0.5], [0.25], [0.25]]).astype("float32")
    log_probabilities, is_highest = token_log_probabilities(
        states, table, np.array([[0, 2]])
    )
    np.exp(log_probabilities)  # [[0.5, 0.25]]
    is_highest  # [[True, False]]
    ```
    """
    hidden_states = ops.convert_to_tensor(hidden_states)
    kernel = ops.transpose(ops.cast(table, hidden_states.dtype))  # (E, V)

    def head(states):
        return ops.matmul(states, kernel)

    return log_probabilities_under_head(
        hidden_states, head, kernel.shape[-1], token_ids, top_n
    )


def log_probabilities_under_head(
    hidden_states, head, vocabulary_size, token_ids, top_n=0, num_known=None
):
    """The same for a head that is not a table, such as a quantized one.

    In a graph of TensorFlow, `top_n` may be a tensor. With `num_known`, only
    ids below it are alternatives: the others are a vocabulary's padding.
    """
    hidden_states = ops.convert_to_tensor(hidden_states)
    token_ids = ops.cast(token_ids, "int32")
    shape = ops.shape(token_ids)
    chunks, restore = all_chunks((hidden_states, token_ids), vocabulary_size)

    def score(states, token_ids):
        return _chunk_scores(head(states), token_ids, top_n, num_known)

    found = map_chunks(score, chunks)

    def whole(x):
        x = restore(ops.reshape(x, (-1, *ops.shape(x)[2:])))  # (N,) or (N, A)
        return ops.reshape(x, (*shape, *ops.shape(x)[1:]))

    log_probabilities, is_highest, *alternatives = map(whole, found)
    return log_probabilities, ops.cast(is_highest, "bool"), *alternatives


def _chunk_scores(logits, token_ids, top_n, num_known=None):
    """The results for logits (C, V) and ids (C,)."""
    logits = ops.cast(logits, "float32")
    total = ops.logsumexp(logits, axis=-1, keepdims=True)  # (C, 1)
    # Keras' own `take_along_axis` makes arrays of the size of the logits.
    vocabulary_size = logits.shape[-1]
    places = ops.arange(ops.shape(logits)[0], dtype="int32") * vocabulary_size
    chosen = ops.take(ops.reshape(logits, (-1,)), places + token_ids)
    highest = ops.cast(ops.argmax(logits, axis=-1), "int32")
    # A float here: not every device can scatter bools.
    is_highest = ops.cast(highest == token_ids, "float32")
    scores = [chosen - total[:, 0], is_highest]
    if not isinstance(top_n, int) or top_n:
        if num_known is not None:
            logits = logits[:, :num_known]
        values, ids = ops.top_k(logits, top_n)  # (C, A)
        scores += [ops.cast(ids, "int32"), values - total]
    return tuple(scores)


def token_cross_entropy(labels, logits):
    """Compute each label's negative log-likelihood, float32 and in nats.

    Args:
        labels: int tensor of shape `(batch, length)`.
        logits: tensor of shape `(batch, length, vocabulary_size)`, any float
            dtype.

    Returns:
        A float32 tensor of shape `(batch, length)`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    labels = np.array([[2]])
    logits = np.zeros((1, 1, 4), "float32")
    keras_gpt3.ops.token_cross_entropy(labels, logits)  # [[1.3863]], log 4
    ```
    """
    logits = ops.cast(logits, "float32")
    # `sparse_categorical_crossentropy` lowers to TensorFlow's fused kernel.
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
