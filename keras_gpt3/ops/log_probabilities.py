"""Log-probabilities and losses of tokens, a chunk at a time.

Symbols as in the backbone, and: N tokens, C tokens of a chunk, A alternatives.
"""

import math

from keras import ops

from keras_gpt3.ops.run_after import run_after


def token_log_probabilities(hidden_states, table, token_ids, top_n=0):
    """Log-probabilities of tokens under a head tied to the embeddings.

    Equal to what `log_softmax(hidden_states @ transpose(table))` holds at the
    tokens, but the logits exist for a chunk of positions at a time. The product
    is taken in the dtype of `hidden_states`, as the model's own, and the
    softmax in float32.

    Args:
        hidden_states: tensor of shape `(batch, length, hidden_dim)`, of which
            each one predicts the token at its place in `token_ids`.
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
    from keras_gpt3.ops.log_probabilities import (
        token_log_probabilities,
    )

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
    hidden_states, head, vocabulary_size, token_ids, top_n=0
):
    """The same for a head that is no table, such as a quantized one."""
    hidden_states = ops.convert_to_tensor(hidden_states)
    token_ids = ops.cast(token_ids, "int32")
    shape = ops.shape(token_ids)
    chunks, restore = all_chunks((hidden_states, token_ids), vocabulary_size)
    number, size = ops.shape(chunks[1])

    def score(states, token_ids):
        return _chunk_scores(head(states), token_ids, top_n)

    # The flags are floats here: not every device can scatter bools.
    found = [ops.zeros((number, size), "float32") for _ in range(2)]
    if top_n:
        found.append(ops.zeros((number, size, top_n), "int32"))
        found.append(ops.zeros((number, size, top_n), "float32"))
    found = _for_each_chunk(score, chunks, number, found)

    def whole(x):
        x = restore(ops.reshape(x, (-1, *x.shape[2:])))  # (N,) or (N, A)
        return ops.reshape(x, (*shape, *x.shape[1:]))

    log_probabilities, is_highest, *alternatives = map(whole, found)
    return log_probabilities, ops.cast(is_highest, "bool"), *alternatives


def _chunk_scores(logits, token_ids, top_n):
    """The results for logits (C, V) and ids (C,)."""
    logits = ops.cast(logits, "float32")
    total = ops.logsumexp(logits, axis=-1, keepdims=True)  # (C, 1)
    # Keras' own `take_along_axis` makes arrays of the size of the logits.
    vocabulary_size = logits.shape[-1]
    places = ops.arange(ops.shape(logits)[0], dtype="int32") * vocabulary_size
    chosen = ops.take(ops.reshape(logits, (-1,)), places + token_ids)
    highest = ops.cast(ops.argmax(logits, axis=-1), "int32")
    is_highest = ops.cast(highest == token_ids, "float32")
    scores = [chosen - total[:, 0], is_highest]
    if top_n:
        values, ids = ops.top_k(logits, top_n)  # (C, A)
        scores += [ops.cast(ids, "int32"), values - total]
    return scores


def _for_each_chunk(function, chunks, number, found):
    """Writes what a function gives for a chunk to its place in `found`."""

    def step(index, *found):
        # Else a TensorFlow graph would take several chunks at a time.
        states, token_ids = (run_after(x[index], found) for x in chunks)
        place = ops.reshape(index, (1, 1))
        written = (
            ops.scatter_update(x, place, new[None])
            for x, new in zip(found, function(states, token_ids), strict=True)
        )
        return (index + 1, *written)

    _, *found = ops.while_loop(
        lambda index, *_: index < number,
        step,
        (ops.zeros((), "int32"), *found),
    )
    return found


def token_cross_entropy(labels, logits):
    """Negative log-likelihood of each label, in float32 and in nats.

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


# The tokens of a batch in chunks, whose logits are computed one by one.


# Numbers in the logits of a chunk. Up to three such arrays exist at a time, of
# which XLA makes some in float32 whatever the dtype. Smaller chunks cost time:
# each one adds to the gradient of all V rows.
_CHUNK_LOGITS = 2**25


def chunk_tokens(vocabulary_size):
    """The most tokens whose logits are computed at once."""
    return 2 ** max(0, (_CHUNK_LOGITS // vocabulary_size).bit_length() - 1)


def equal_chunks(count, vocabulary_size):
    """How many chunks tokens make, as few as can be, and the size of each."""
    number = _at_least_one(_ceiling(count, chunk_tokens(vocabulary_size)))
    return number, _ceiling(count, number)


def all_chunks(tensors, vocabulary_size):
    """Chunks of all tokens, equally long, the last one padded with zeros."""
    count = _count(tensors[-1])
    number, size = equal_chunks(count, vocabulary_size)
    chunks = _split(map(_as_tokens, tensors), number, size)
    return chunks, lambda rows: rows[:count]


def weighted_chunks(tensors, vocabulary_size):
    """Chunks of the tokens alone that have a weight.

    Their number differs from batch to batch. Each length of a chunk costs a
    compilation of the operations inside: there are but eight.
    """
    tokens = list(map(_as_tokens, tensors))
    (places,) = ops.nonzero(tokens[-1])
    places = ops.cast(places, "int32")
    count = ops.shape(places)[0]
    most = chunk_tokens(vocabulary_size)
    step = max(1, most // 8)
    # Without a token of any weight there is still a chunk, of padding.
    number = _at_least_one(_ceiling(count, most))
    size = _at_least_one(_ceiling(_ceiling(count, number), step)) * step
    chosen = [ops.take(x, places, axis=0) for x in tokens]

    def restore(rows):
        shape = (ops.shape(tokens[-1])[0], *rows.shape[1:])
        return ops.scatter(places[:, None], rows[:count], shape)

    return _split(chosen, number, size), restore


def _count(x):
    """The number of elements, an int where it is known."""
    known = None not in x.shape
    return math.prod(x.shape) if known else ops.size(x)


def _as_tokens(x):
    """(B, T, ...) to (N, ...)."""
    return ops.reshape(x, (-1, *x.shape[2:]))


def _split(tokens, number, size):
    """Pads tokens, and splits them into a number of chunks of a size."""

    def split(x):
        shape = x.shape[1:]
        padding = number * size - ops.shape(x)[0]
        if not isinstance(padding, int) or padding:
            x = ops.pad(x, [[0, padding]] + [[0, 0]] * len(shape))
        return ops.reshape(x, (number, size, *shape))

    return tuple(map(split, tokens))


def _at_least_one(number):
    """An int stays one; Keras' `maximum` would make it a tensor."""
    if isinstance(number, int):
        return max(number, 1)
    return ops.where(number < 1, 1, number)


def _ceiling(count, size):
    """The quotient, rounded up."""
    return -(-count // size)
