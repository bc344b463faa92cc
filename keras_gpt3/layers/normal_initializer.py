"""Normal initial weights, or none where stored ones follow."""

import contextlib
import contextvars

import keras

_instead = contextvars.ContextVar("initializer_instead", default=None)


def normal_initializer(deviation):
    """The initializer of a kernel or an embedding."""
    if _instead.get() is not None:
        return _instead.get()
    return keras.initializers.RandomNormal(stddev=deviation)


@contextlib.contextmanager
def initialized_by(initializer):
    """Layers made in this block get their weights from another initializer."""
    before = _instead.set(initializer)
    try:
        yield
    finally:
        _instead.reset(before)


@contextlib.contextmanager
def stored_weights_follow():
    """Layers made in this block start from zeros: their weights are loaded.

    Drawing a hundred million random numbers takes seconds.
    """
    with initialized_by(keras.initializers.Zeros()):
        yield
