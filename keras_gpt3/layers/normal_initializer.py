"""Normal initial weights, or none where stored ones follow."""

import contextlib
import contextvars

import keras

_instead = contextvars.ContextVar("initializer_instead", default=None)


def normal_initializer(deviation):
    """The initializer of a kernel or an embedding.

    Args:
        deviation: float. Standard deviation, around 0.

    Returns:
        A `keras.initializers.RandomNormal`; within `stored_weights_follow`
        one of zeros, within `initialized_by` the given one.
    """
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

    Example:

    ```python
    from keras_gpt3.layers.normal_initializer import normal_initializer
    from keras_gpt3.layers.normal_initializer import stored_weights_follow

    with stored_weights_follow():
        normal_initializer(0.02)((2, 2))  # zeros
    ```
    """
    with initialized_by(keras.initializers.Zeros()):
        yield
