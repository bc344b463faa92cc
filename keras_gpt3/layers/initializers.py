"""How weights begin."""

import contextlib
import contextvars
import math

import keras

_instead = contextvars.ContextVar("initializer_instead", default=None)


def normal_initializer(deviation):
    """The initializer of a kernel or an embedding."""
    if _instead.get() is not None:
        return _instead.get()
    return keras.initializers.RandomNormal(stddev=deviation)


@contextlib.contextmanager
def initialized_by(initializer):
    """Take the weights of layers made in this block from an initializer."""
    before = _instead.set(initializer)
    try:
        yield
    finally:
        _instead.reset(before)


@contextlib.contextmanager
def stored_weights_follow():
    """Start layers made in this block from zeros: their weights are loaded.

    Drawing a hundred million random numbers takes seconds.
    """
    with initialized_by(keras.initializers.Zeros()):
        yield


# Standard deviations of the initial weights.
#
# "The modified initialization described in [GPT-2]" (section 2.1 of Brown et
# al. 2020), with the numbers of OpenAI's GPT-2 code: all weights are normal
# around 0, biases start at 0, layer-norm gains at 1.


TOKEN_EMBEDDING = 0.02
POSITION_EMBEDDING = 0.01
KERNEL = 0.02


def residual_kernel(num_layers):
    """The deviation of the two projections of a block that end on the residual.

    Every block adds two branches to the residual stream; dividing by the root
    of their number keeps its variance at initialization independent of depth.
    """
    return KERNEL / math.sqrt(2 * num_layers)
