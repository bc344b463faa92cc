"""Filters on the scores of the next token."""

import numbers

import numpy as np
from keras import ops

from keras_gpt3.ops.op_compilation import is_eager_backend

NEVER = -1e30


def keep_top_k(logits, k):
    """Remove all but the `k` highest scores of each row.

    Scores that tie with the `k`-th are kept.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        k: int, or int tensor of shape `()` or `(batch,)`. Number of tokens to
            keep; 0 keeps all.

    Returns:
        A tensor of the shape and dtype of `logits`; removed scores are
        `-1e30`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import keep_top_k

    keep_top_k(np.array([[1.0, 3.0, 2.0]]), 2)  # [[-1e30, 3.0, 2.0]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    vocabulary_size = logits.shape[-1]
    if isinstance(k, numbers.Integral) and not 0 < k < vocabulary_size:
        return logits
    k = per_row(k, "int32")
    k = ops.where(k > 0, ops.minimum(k, vocabulary_size), vocabulary_size)

    def keep_highest():
        scores = ops.cast(logits, "float32")
        ones = ops.ones_like(scores, "int32")
        return _keep(logits, scores >= score_threshold(scores, ones, k))

    return ops.cond(ops.any(k < vocabulary_size), keep_highest, lambda: logits)


def keep_top_p(logits, p):
    """Remove all but the most probable tokens that together reach `p`.

    Nucleus sampling: each row keeps the smallest set of tokens whose
    probability is at least `p`. Of tokens with equal scores the lower ids come
    first, so that the set is the same on every device.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        p: float, or float tensor of shape `()` or `(batch,)`. From 0, which
            keeps the most probable token alone, to 1, which keeps all.

    Returns:
        A tensor of the shape and dtype of `logits`; removed scores are
        `-1e30`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import keep_top_p

    logits = np.log([[0.2, 0.7, 0.1]])
    keep_top_p(logits, 0.8)  # [[-1.609, -0.357, -1e30]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    if isinstance(p, numbers.Real) and p >= 1:
        return logits
    p = per_row(p, "float32")
    return ops.cond(
        ops.any(p < 1), lambda: _keep_each_top_p(logits, p), lambda: logits
    )


def _keep_each_top_p(logits, p):
    """Like `keep_top_p`; `p` of shape (1, 1) or (B, 1)."""
    scores = ops.cast(logits, "float32")
    lowest_kept, last_kept = _nucleus(scores, p)
    ties = (scores == lowest_kept) & (_ids(scores) <= last_kept)
    # At 1 the sum of fewer may have rounded to 1.
    return _keep(logits, (scores > lowest_kept) | ties | (p >= 1))


def _nucleus(scores, p):
    """The lowest score that is kept and the last id with it, each (B, 1)."""
    probabilities = ops.softmax(scores, axis=-1)
    none = ops.zeros_like(probabilities)
    lowest_kept = score_threshold(scores, probabilities, p)
    above = ops.where(scores > lowest_kept, probabilities, none)
    missing = p - ops.sum(above, axis=-1, keepdims=True)
    ties = scores == lowest_kept
    # Lower ids rank higher; a float32 holds any id up to 2 ** 24.
    ranks = ops.where(ties, -_ids(scores), -scores.shape[-1])
    ranks = ops.cast(ranks, "float32")
    tied = ops.where(ties, probabilities, none)
    last_kept = -score_threshold(ranks, tied, missing)
    return lowest_kept, ops.cast(last_kept, "int32")


def keep_min_p(logits, min_p):
    """Remove tokens much less probable than the first of their row.

    Kept are the tokens of at least `min_p` times the highest probability.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        min_p: float, or float tensor of shape `()` or `(batch,)`. From 0,
            which keeps all, to 1, which keeps the most probable token and
            those that tie with it.

    Returns:
        A tensor of the shape and dtype of `logits`; removed scores are
        `-1e30`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import keep_min_p

    logits = np.log([[0.2, 0.7, 0.1]])
    keep_min_p(logits, 0.25)  # [[-1.609, -0.357, -1e30]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    if isinstance(min_p, numbers.Real) and min_p <= 0:
        return logits
    scores = ops.cast(logits, "float32")
    # The ratio of two probabilities needs no softmax.
    ratio = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    return _keep(logits, ratio >= per_row(min_p, "float32"))


def _ids(scores):
    """The ids of the vocabulary, of shape (V,)."""
    return ops.arange(scores.shape[-1], dtype="int32")


def _keep(logits, kept):
    return ops.where(kept, logits, ops.cast(NEVER, logits.dtype))


def top_k(scores, count):
    """The highest scores and their ids, in order; the lower of equal ids first.

    PyTorch's own selection has equal scores in any order.
    """
    if not is_eager_backend():
        return ops.top_k(scores, count)
    ids = ops.argsort(-scores, axis=-1)[..., :count]
    return ops.take_along_axis(scores, ids, axis=-1), ops.cast(ids, "int32")


def highest_scores(scores, count):
    """The highest scores and their ids, in order; the lower of equal ids first.

    Of scores that tie with the last, any may be among them. A selection from
    all takes XLA and TensorFlow several times as long, and ten times where the
    scores ascend: so the highest of each column of a grid come first, and
    those that are wanted are in the columns of the highest of these.
    """
    depth = 16
    vocabulary_size = scores.shape[-1]
    width = -(-vocabulary_size // depth)
    if width < 2 * count:
        return top_k(scores, count)
    padding = ((0, 0), (0, depth * width - vocabulary_size))
    scores = ops.pad(scores, padding, constant_values=-np.inf)
    highest = ops.max(ops.reshape(scores, (-1, depth, width)), axis=1)
    _, columns = ops.top_k(highest, count, sorted=False)
    columns = ops.sort(columns, axis=-1)  # (B, K)
    rows = ops.arange(depth, dtype="int32")[:, None] * width
    # Row after row, (B, depth * K): in the order of ids.
    ids = ops.reshape(columns[:, None] + rows, (-1, depth * count))
    scores = ops.take_along_axis(scores, ids, axis=-1)
    scores, places = top_k(scores, count)
    return scores, ops.take_along_axis(ids, places, axis=-1)


_LOWEST = -(2**31)
# From the highest on, each as the int32 of its pattern.
_BITS = (1 << np.arange(31, -1, -1, "uint32")).view("int32")


def score_threshold(scores, weights, total):
    """Find the highest score such that it and all above it weigh a total.

    XLA sorts a vocabulary slowly on a CPU. Here 32 sums over it decide the
    bits of the threshold, one each. B = batch, V = vocabulary.
    """
    keys = _ordered_keys(scores)
    no_weight = ops.zeros_like(weights)
    bits = ops.convert_to_tensor(_BITS, "int32")

    def decide_bit(i, pattern):
        candidate = pattern | ops.take(bits, i)
        reached = keys >= (candidate ^ _LOWEST)
        weight = ops.sum(ops.where(reached, weights, no_weight), -1, True)
        return ops.where(weight >= total, candidate, pattern)

    pattern = ops.zeros_like(keys[:, :1])
    pattern = ops.fori_loop(0, 32, decide_bit, pattern)
    key = pattern ^ _LOWEST
    # The total may be more than all weigh, or nothing.
    key = ops.maximum(key, ops.min(keys, axis=-1, keepdims=True))
    key = ops.minimum(key, ops.max(keys, axis=-1, keepdims=True))
    return ops.view(_flip_negative(key), "float32")


def _ordered_keys(scores):
    """Integers in the order of the scores, of shape (B, V)."""
    # Both zeros are one score.
    scores = ops.where(scores == 0, ops.zeros_like(scores), scores)
    return _flip_negative(ops.view(scores, "int32"))


def _flip_negative(bits):
    """Reverse the order of negative floats' bits, and back."""
    return ops.where(bits < 0, bits ^ (2**31 - 1), bits)


def per_row(setting, dtype):
    """A setting as a column that broadcasts against scores."""
    return ops.reshape(ops.cast(setting, dtype), (-1, 1))


def rule_out_unknown(logits, num_known):
    """Remove the scores of ids beyond the tokenizer's.

    The vocabulary is often padded to a multiple that devices divide; the
    additional ids have no text.
    """
    vocabulary_size = logits.shape[-1]
    if num_known is None or num_known >= vocabulary_size:
        return logits
    logits = ops.convert_to_tensor(logits)
    known = ops.arange(vocabulary_size, dtype="int32") < num_known
    return ops.where(known, logits, ops.cast(NEVER, logits.dtype))
