"""What XLA compiles: single operations of TensorFlow's, or whole functions.

On a CPU, XLA fuses small steps well but reaches about half of oneDNN's rate on
large matrix products. So what stands between the products is compiled,
operation by operation, and they are left to TensorFlow. Within a step that XLA
compiles as a whole (on a GPU) the inner compilation dissolves into the outer
one. JAX has no operations but XLA's: there functions are compiled as wholes.
"""

import contextlib
import functools

import keras

from keras_gpt3.ops.jitted_function import jitted

# Not a context variable: the threads that trace a strategy's replicas would
# not see it.
_state = {"enabled": True, "whole_xla": False}
# Executables kept for each operation, so that calls with ever new lengths do
# not pile them up.
_MOST_EXECUTABLES = 256


@contextlib.contextmanager
def op_compilation(enabled):
    """Switches the compilation of single operations on or off.

    An exported graph must hold stock operations only, so it is traced with
    compilation off.

    Args:
        enabled: bool. Whether operations called inside are compiled.

    Example:

    ```python
    import numpy as np
    from keras_gpt3 import ops

    x = np.ones((1, 8, 2, 4), "float32")
    with ops.op_compilation(False):
        y = ops.causal_attention(x, x, x)
    ```
    """
    before = _state["enabled"]
    _state["enabled"] = bool(enabled)
    try:
        yield
    finally:
        _state["enabled"] = before


def whole_xla(function, variables=(), changed=()):
    """Makes XLA compile a function of tensors as a whole.

    For what runs often and has little arithmetic, such as a decode loop. With
    compilation switched off it is called as it is.

    Args:
        function: callable. Takes tensors and nests of them, by position.
        variables: list of `keras.Variable` that it reads, which JAX has to
            know. Defaults to `()`.
        changed: list of `keras.Variable` that it assigns to, none of
            `variables`. Defaults to `()`.

    Returns:
        A callable with the arguments of `function`.
    """
    if not _state["enabled"]:
        return function

    def traced(*tensors):
        before = _state["whole_xla"]
        _state["whole_xla"] = True
        try:
            return function(*tensors)
        finally:
            _state["whole_xla"] = before

    if keras.config.backend() == "jax":
        return jitted(traced, variables, changed)
    return _compile(traced)


def as_graph(function, variables=(), changed=()):
    """Traces a function of tensors, to run it without Python.

    TensorFlow runs its own operations one by one; on JAX there is no graph
    but that of `whole_xla`.

    Args:
        function: callable. Takes tensors and nests of them, by position.
        variables: list of `keras.Variable`. See `whole_xla`.
        changed: list of `keras.Variable`. See `whole_xla`.

    Returns:
        A callable with the arguments of `function`.
    """
    if keras.config.backend() == "jax":
        return whole_xla(function, variables, changed)
    import tensorflow as tf

    return tf.function(function, autograph=False)


@functools.cache
def has_gpu():
    """Whether the backend has a GPU, or a TPU, to compile for.

    Returns:
        A bool.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def is_whole_xla():
    """Whether what is traced now goes into a `whole_xla` function.

    Returns:
        A bool.
    """
    return _state["whole_xla"]


def compiled_op(function):
    """Makes XLA compile `function` as one operation where that applies.

    Arguments that are tensors must be passed by position, all others by
    keyword: they become constants of the compiled code.

    Args:
        function: callable. A function of tensors on `keras.ops` alone.

    Returns:
        A callable with the signature and docstring of `function`.
    """
    # One `tf.function` for each combination of shapes: a single one would
    # warn about retracing as soon as a model meets its fifth length.
    compiled = {}

    @functools.wraps(function)
    def call(*tensors, **constants):
        if not _applies_to(tensors):
            return function(*tensors, **constants)
        key = tuple((tuple(x.shape), x.dtype) for x in tensors)
        key += tuple(sorted(constants.items()))
        if key not in compiled:
            if len(compiled) == _MOST_EXECUTABLES:
                compiled.pop(next(iter(compiled)))  # The oldest.
            compiled[key] = _compile(function)
        return compiled[key](*tensors, **constants)

    return call


def _applies_to(tensors):
    """Whether the call runs on TensorFlow tensors with compilation on."""
    if keras.config.backend() != "tensorflow" or not _state["enabled"]:
        return False
    return not any(isinstance(x, keras.KerasTensor) for x in tensors)


def _compile(function):
    """Wraps `function` for XLA."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
