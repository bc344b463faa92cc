"""The loss of a tied output head, without the logits of all tokens.

The logits of a batch are its largest array by far: 50257 numbers a token.
Here a chunk of tokens goes through the head, its loss and its gradients are
taken, and its logits are dropped before the next chunk comes.

Symbols as in the backbone, and: N tokens, C tokens of a chunk.
"""

import keras
from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.row_product import row_sums
from keras_gpt3.ops.token_chunks import all_chunks
from keras_gpt3.ops.token_chunks import sum_over_chunks
from keras_gpt3.ops.token_chunks import weighted_chunks

# Rows of the table that a GPU's units take together.
_TILE = 64


def chunked_cross_entropy(hidden_states, embeddings, labels, weights=None):
    """Sum the cross-entropy of tokens under a head tied to the embeddings.

    Equal to `token_cross_entropy` of `hidden_states @ transpose(embeddings)`,
    weighted and summed, but the logits of all tokens never exist at once: the
    gradients are taken along with the loss, chunk by chunk.

    Args:
        hidden_states: tensor of shape `(batch, length, hidden_dim)`.
        embeddings: tensor of shape `(vocabulary_size, hidden_dim)`.
        labels: int tensor of shape `(batch, length)`.
        weights: float tensor of shape `(batch, length)`. Such as 0 for padding
            and prompts. Defaults to `None`, all 1.

    Returns:
        A pair of float32 scalars: the sum over tokens of the weighted losses,
        in nats, and the weighted number of tokens whose label has the highest
        logit. The gradient of the first one is defined.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    states = np.zeros((1, 2, 8), "float32")
    embeddings = np.ones((4, 8), "float32")
    loss, correct = keras_gpt3.ops.chunked_cross_entropy(
        states, embeddings, np.array([[0, 3]])
    )
    loss  # 2.7726, 2 log 4
    ```
    """
    labels = ops.cast(labels, "int32")
    if weights is None:
        weights = ops.ones(ops.shape(labels), "float32")
    weights = ops.convert_to_tensor(weights, "float32")

    # All tensors are arguments: JAX cannot differentiate a function that
    # another one compiles if it closes over some.
    @ops.custom_gradient
    def sums(hidden_states, embeddings, labels, weights):
        loss, correct, *gradients = loss_and_gradients(
            hidden_states, embeddings, labels, weights
        )

        def gradient(*args, upstream=None):
            # TensorFlow passes two numbers, JAX a pair. That of `correct` is
            # of no use: it counts.
            upstream = args if upstream is None else upstream
            (upstream, _) = upstream[0] if len(upstream) == 1 else upstream
            found = [g * ops.cast(upstream, g.dtype) for g in gradients]
            return *found, None, None

        return (loss, correct), gradient

    # A copy, as TensorFlow requires more where it is given a variable.
    return sums(
        ops.convert_to_tensor(hidden_states),
        ops.copy(embeddings),
        labels,
        weights,
    )


def loss_and_gradients(
    hidden_states,
    embeddings,
    labels,
    weights,
    gradient_scale=1.0,
    frozen=False,
    weighted_only=False,
    vocabulary_size=None,
):
    """What `chunked_cross_entropy` computes and its gradients, in one pass."""
    dtype, width = hidden_states.dtype, hidden_states.shape[-1]
    rows = embeddings.shape[0]
    table, vocabulary_size = _head(embeddings, dtype, vocabulary_size)
    tokens = hidden_states, ops.cast(labels, "int32"), weights
    make = weighted_chunks if weighted_only else all_chunks
    chunks, restore = make(tokens, table.shape[0])

    def gradients(states, labels, weights):
        """The two sums, the gradient of the table, and of the states."""
        logits = ops.matmul(states, ops.transpose(table))  # (C, V)
        exponentials, total, *sums = _token_losses(
            _without_padding(logits, vocabulary_size), labels, weights
        )
        weights = gradient_scale * weights[:, None]  # (C, 1)
        d_logits = _logit_gradient(
            exponentials, weights / total, weights, labels[:, None]
        )  # (C, V)
        d_states = ops.matmul(d_logits, table)  # (C, E)
        if frozen:
            return tuple(sums), (d_states,)
        d_table = ops.matmul(ops.transpose(d_logits), states)  # (V, E)
        sums = (*sums, ops.cast(d_table[:rows], embeddings.dtype))
        return sums, (d_states,)

    sums, (d_states,) = sum_over_chunks(gradients, chunks)
    loss, correct, *table_gradient = sums
    d_states = restore(ops.reshape(d_states, (-1, width)))  # (N, E)
    d_states = ops.reshape(d_states, ops.shape(hidden_states))
    return loss, correct, d_states, *(table_gradient or [None])


def loss_sums(
    hidden_states,
    embeddings,
    labels,
    weights,
    weighted_only=False,
    vocabulary_size=None,
):
    """The two sums of `chunked_cross_entropy` alone, to evaluate."""
    table, vocabulary_size = _head(
        embeddings, hidden_states.dtype, vocabulary_size
    )

    def sums(states, labels, weights):
        logits = ops.matmul(states, ops.transpose(table))  # (C, V)
        _, _, *sums = _token_losses(
            _without_padding(logits, vocabulary_size), labels, weights
        )
        return tuple(sums), ()

    tokens = hidden_states, ops.cast(labels, "int32"), weights
    make = weighted_chunks if weighted_only else all_chunks
    chunks, _ = make(tokens, table.shape[0])
    return sum_over_chunks(sums, chunks)[0]


def _head(embeddings, dtype, vocabulary_size):
    """The table of the head, and how many of its rows are ids.

    A GPU multiplies whole tiles. XLA would pad table and logits for them in
    each chunk; where the table lies on one device it is done once.
    """
    table, rows = ops.cast(embeddings, dtype), embeddings.shape[0]
    padding = -rows % _TILE
    if not has_gpu() or keras.distribution.distribution() is not None:
        return table, vocabulary_size
    return ops.pad(table, [[0, padding], [0, 0]]), vocabulary_size or rows


def _without_padding(logits, vocabulary_size):
    """Make the logits of rows that are no ids the lowest there are."""
    if vocabulary_size in (None, logits.shape[-1]):
        return logits
    ids = ops.arange(logits.shape[-1], dtype="int32")
    return ops.where(ids < vocabulary_size, logits, -float("inf"))


def _token_losses(logits, labels, weights):
    """Exponentials (C, V), their sums (C, 1), and the two weighted sums."""
    highest = ops.cast(ops.max(logits, axis=-1, keepdims=True), "float32")
    exponentials = _exponentials(logits, highest)
    total, chosen = row_sums(exponentials), _label_logits(logits, labels)
    losses = (highest + ops.log(total) - chosen)[:, 0]
    # The label is what `argmax` gives. Keras' takes three times as long, and
    # makes copies.
    right = (chosen == highest) & ~_ties_before(
        logits, highest, labels[:, None]
    )
    right = ops.cast(right[:, 0], "float32")
    loss, correct = ops.sum(losses * weights), ops.sum(right * weights)
    return exponentials, total, loss, correct


def _label_logits(logits, labels):
    """The logit of each label, (C, 1) in float32."""
    if keras.config.backend() == "jax":
        # A sum over what each device has. A lookup would bring all logits to
        # every device where they are spread over several.
        ids = ops.arange(logits.shape[-1], dtype="int32")[None, :]
        chosen = ops.where(ids == labels[:, None], logits, 0)
        return ops.sum(ops.cast(chosen, "float32"), axis=-1, keepdims=True)
    rows = ops.arange(ops.shape(labels)[0], dtype="int32") * logits.shape[-1]
    # Keras' own `take_along_axis` makes arrays of the size of the logits.
    flat = ops.take(ops.reshape(logits, (-1,)), rows + labels)
    return ops.cast(flat, "float32")[:, None]


@compiled_op
def _ties_before(logits, highest, labels):
    """Whether an id before the label has the highest logit, (C, 1)."""
    ids = ops.arange(logits.shape[-1], dtype="int32")[None, :]
    ties = (ops.cast(logits, "float32") == highest) & (ids < labels)
    return ops.any(ties, axis=-1, keepdims=True)


@compiled_op
def _exponentials(logits, shift):
    exponentials = ops.exp(ops.cast(logits, "float32") - shift)
    return ops.cast(exponentials, logits.dtype)


@compiled_op
def _logit_gradient(exponentials, factors, weights, labels):
    """Weighted probabilities, less the weight where the label is, (C, V)."""
    ids = ops.arange(exponentials.shape[-1], dtype="int32")[None, :]
    chosen = ops.where(ids == labels, weights, 0.0)
    d_logits = ops.cast(exponentials, "float32") * factors - chosen
    return ops.cast(d_logits, exponentials.dtype)
