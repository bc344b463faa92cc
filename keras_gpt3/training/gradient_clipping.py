"""Clipping as Keras does it, folded into one factor. TensorFlow only.

Keras squares a gradient into a temporary of its size, and makes all clipped
gradients before it applies the first. Here each gradient gets one factor, made
from sums of squares that are never stored, and is multiplied by it just before
its use, in place where nobody else holds it.
"""

import tensorflow as tf


def gradient_factors(optimizer, gradients, unscaling=None, norm=None):
    """What each gradient must be multiplied by, for its scale and its norm."""
    if optimizer.clipnorm and optimizer.clipnorm > 0:
        return [
            _times(
                _factor(global_norm([g], unscaling), optimizer.clipnorm),
                unscaling,
            )
            for g in gradients
        ]
    factor = unscaling
    if optimizer.global_clipnorm and optimizer.global_clipnorm > 0:
        if norm is None:
            norm = global_norm(gradients, unscaling)
        factor = _times(_factor(norm, optimizer.global_clipnorm), unscaling)
    return [factor] * len(gradients)


def clip_gradient(optimizer, gradient, factor):
    """A gradient times its factor, within the bounds of `clipvalue`."""
    if factor is not None:
        gradient = _at_least_32_bits(gradient)
        gradient *= tf.cast(factor, gradient.dtype)
    if optimizer.clipvalue and optimizer.clipvalue > 0:
        bound = tf.cast(optimizer.clipvalue, gradient.dtype)
        gradient = tf.clip_by_value(gradient, -bound, bound)
    return gradient


def global_norm(gradients, unscaling=None):
    """The common norm of gradients, free of the loss scale."""
    return _times(tf.sqrt(squared_norm(gradients)), unscaling)


def squared_norm(gradients):
    """The sum of all squares of gradients, without a temporary of their
    size.
    """
    halves = []
    for gradient in gradients:
        # Where it lies: the gradients of stages are on other devices.
        with tf.device(gradient.device):
            # l2_loss is half the sum of squares.
            half = tf.nn.l2_loss(_at_least_32_bits(gradient))
            halves.append(tf.cast(half, "float32"))
    # Not add_n: TensorFlow orders its terms anew in each process, and a
    # resumed run would differ in the last bit.
    return 2.0 * tf.reduce_sum(tf.stack(halves))


def _factor(norm, bound):
    """What brings gradients of a norm down to a bound."""
    factor = bound * tf.minimum(1.0 / norm, 1.0 / bound)
    # A norm that is not finite makes everything NaN, as in Keras: better than
    # an update with half of the gradients.
    return factor + (norm - norm)


def _at_least_32_bits(x):
    """Squares and inverse scales do not fit into float16."""
    return tf.cast(x, "float32") if x.dtype.size < 4 else x


def _times(x, factor):
    return x if factor is None else x * factor
