"""The score down to which the highest scores weigh enough, without a sort."""

import numpy as np
from keras import ops

_LOWEST = -(2**31)
# From the highest on, each as the int32 of its pattern.
_BITS = (1 << np.arange(31, -1, -1, "uint32")).view("int32")


def score_threshold(scores, weights, total):
    """Finds the highest score from which on upwards all weigh a total.

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
    # Too much was asked for, or nothing.
    key = ops.maximum(key, ops.min(keys, axis=-1, keepdims=True))
    key = ops.minimum(key, ops.max(keys, axis=-1, keepdims=True))
    return ops.view(_flip_negative(key), "float32")


def _ordered_keys(scores):
    """Integers in the order of the scores, of shape (B, V)."""
    # Both zeros are one score.
    scores = ops.where(scores == 0, ops.zeros_like(scores), scores)
    return _flip_negative(ops.view(scores, "int32"))


def _flip_negative(bits):
    """Reverses the order of negative floats' bits, and back."""
    return ops.where(bits < 0, bits ^ (2**31 - 1), bits)
