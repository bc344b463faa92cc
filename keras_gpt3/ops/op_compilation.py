"""What XLA compiles, and for which device: one place for all backends.

On a CPU, XLA fuses small steps well but reaches about half of oneDNN's rate on
large matrix products. So under TensorFlow what stands between the products is
compiled, operation by operation, and they are left to TensorFlow. On a GPU the
step of a replica is compiled as a whole, and there the inner compilation
dissolves into the outer one. JAX compiles whatever it traces as a whole.
PyTorch has no XLA: there, operations run as they come, on any device.

The whole is seen at once: XLA does not know TensorFlow's control dependencies,
folds constants of any size, and merges what is computed twice. Whoever relies
on an order, or repeats a computation on purpose, asks `in_xla_program`.
"""

import contextlib
import contextvars
import functools

import keras

# Context variables, not globals: while one thread traces an export with stock
# operations, another may compile its decode loop.
_enabled = contextvars.ContextVar("op_compilation", default=True)
_in_decode_loop = contextvars.ContextVar("in_decode_loop", default=False)
_target = contextvars.ContextVar("compile_target", default=None)
# Executables kept for each operation, so that calls with ever new lengths do
# not pile them up.
_MOST_EXECUTABLES = 256


@contextlib.contextmanager
def op_compilation(enabled):
    """Switch the compilation of single operations on or off.

    An exported graph must hold stock operations only, so it is traced with
    compilation off. Holds for the thread that enters it.

    Args:
        enabled: bool. Whether operations called inside are compiled.

    Returns:
        A context manager.

    Example:

    ```python
    import numpy as np
    from keras_gpt3 import ops

    x = np.ones((1, 8, 2, 4), "float32")
    with ops.op_compilation(False):
        y = ops.causal_attention(x, x, x)
    ```
    """
    before = _enabled.set(bool(enabled))
    try:
        yield
    finally:
        _enabled.reset(before)


def compiles_ops():
    """Whether single operations are compiled here; see `op_compilation`."""
    return _enabled.get()


@contextlib.contextmanager
def compile_target(platform):
    """Trace for a kind of device that this machine need not have.

    For compilers that need no device; see `benchmarks/compile_gpu.py`.
    `platform` is `"cpu"`, `"gpu"` (NVIDIA's) or `"tpu"`.
    """
    before = _target.set(platform)
    try:
        yield
    finally:
        _target.reset(before)


def target_platform():
    """The kind of device that is compiled for: `"cpu"`, `"gpu"` or `"tpu"`."""
    if _target.get() is not None:
        return _target.get()
    if keras.config.backend() == "jax":
        import jax

        chosen = jax.config.jax_default_device  # A device, or a platform.
        return getattr(chosen, "platform", chosen) or jax.default_backend()
    if not _is_tensorflow():
        return "cpu"  # Nothing is compiled for what there may be else.
    import tensorflow as tf

    # Visible ones: a GPU that `set_visible_devices` hides runs nothing.
    if not tf.config.get_visible_devices("GPU"):
        return "cpu"
    # Nor has one what is traced under `tf.device("CPU")`.
    placed = tf.no_op().device if tf.inside_function() else ""
    is_cpu = tf.DeviceSpec.from_string(placed).device_type == "CPU"
    return "cpu" if is_cpu else "gpu"


def is_target_given():
    """Whether `compile_target` says what to compile for."""
    return _target.get() is not None


def has_gpu():
    """Whether the backend has a GPU, or a TPU, to compile for."""
    return target_platform() != "cpu"


def in_xla_program():
    """Whether XLA will see all that is traced now as one program."""
    return keras.config.backend() == "jax" or _is_in_xla_context()


def in_stock_tensorflow():
    """Whether TensorFlow runs what is traced now, by kernels of its own."""
    return _is_tensorflow() and not _is_in_xla_context()


def in_decode_loop():
    """Whether XLA compiles what is traced now as a whole program."""
    if keras.config.backend() == "jax":
        return _in_decode_loop.get()
    return _is_in_xla_context()


def _is_in_xla_context():
    """Whether TensorFlow traces for `jit_compile=True`, however nested."""
    if not _is_tensorflow():
        return False
    import tensorflow as tf

    if not tf.inside_function():
        return False
    from tensorflow.python.ops import control_flow_util

    # The graphs know, in whichever thread they are traced.
    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)


def jit_compile(function, variables=(), changed=()):
    """Make XLA compile a function of tensors as a whole.

    For what runs often and has little arithmetic, such as a decode loop. With
    compilation switched off it is called as it is.
    """
    if is_eager_backend():
        return _without_gradients(function)
    if not compiles_ops():
        return function
    if keras.config.backend() != "jax":
        return _compile(function)

    def traced(*tensors):
        before = _in_decode_loop.set(True)
        try:
            return function(*tensors)
        finally:
            _in_decode_loop.reset(before)

    return jitted(traced, variables, changed)


def as_graph(function, variables=(), changed=()):
    """Trace a function of tensors, to run it without Python.

    TensorFlow runs its own operations one by one; on JAX there is no graph
    but that of `jit_compile`, whose arguments these are.
    """
    if keras.config.backend() == "jax":
        return jit_compile(function, variables, changed)
    if is_eager_backend():
        return _without_gradients(function)
    import tensorflow as tf

    return tf.function(function, autograph=False)


def is_eager_backend():
    """Whether the backend runs Python functions as they are: PyTorch's does."""
    return keras.config.backend() == "torch"


def _without_gradients(function):
    """A function that is run as it is; nothing is kept for gradients.

    PyTorch would keep the states of all positions that a loop has decoded.
    """
    import torch

    return torch.no_grad()(function)


def _is_tensorflow():
    return keras.config.backend() == "tensorflow"


def compiled_op(function):
    """Make XLA compile `function` as one operation where that applies.

    Arguments that are tensors must be passed by position, all others by
    keyword: they become constants of the compiled code. `function` computes
    with `keras.ops` alone.
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
        executable = compiled.get(key)
        if executable is None:
            if len(compiled) >= _MOST_EXECUTABLES:
                compiled.pop(next(iter(compiled)), None)  # The oldest.
            executable = compiled.setdefault(key, _compile(function))
        return executable(*tensors, **constants)

    return call


def _applies_to(tensors):
    """Whether the call is an operation of TensorFlow's with compilation on."""
    if not _is_tensorflow() or not compiles_ops():
        return False
    if any(isinstance(x, keras.KerasTensor) for x in tensors):
        return False
    return not _is_in_xla_context()


def _compile(function):
    """Wrap `function` for XLA."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def jitted(function, variables=(), changed=()):
    """Make JAX compile a function of tensors, once for each shape.

    What a compiled function reads beside its arguments is a constant to JAX:
    weights that are trained or loaded later would not reach it. So the values
    of variables go in with the tensors, and new ones come out.
    """
    import jax

    variables, changed = list(variables), list(changed)
    known = variables + changed

    @jax.jit
    def stateless(values, tensors):
        mapping = zip(known, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            result = function(*tensors)
        return result, [scope.get_current_value(v) for v in changed]

    def call(*tensors):
        result, values = stateless([v.value for v in known], tensors)
        for variable, value in zip(changed, values, strict=True):
            variable.assign(value)
        return result

    return call


# Kept at a time, so that ever new lengths do not pile them up.
_MOST_TRACES = 64


class CompiledFunctions:
    """The compiled functions of a model, each for one shape.

    They last as long as the variables do. A model that was quantized or given
    adapters has other ones: an old graph would keep the weights that it
    was traced with.
    """

    def __init__(self):
        self._variables = None
        self.traces = {}

    def compiled(self, key, function, variables, changed=(), compiler=as_graph):
        """A function's compiled form for what the key names."""
        # One for each shape: a single one would warn about retracing as soon
        # as it meets its fifth.
        self._forget_other_variables(variables)
        key = (*key, compiles_ops())
        if key not in self.traces:
            if len(self.traces) == _MOST_TRACES:
                self.traces.pop(next(iter(self.traces)))  # The oldest.
            self.traces[key] = compiler(function, variables, changed)
        return self.traces[key]

    def _forget_other_variables(self, variables):
        # By identity: values that were assigned are read by old graphs too.
        ids = [id(v) for v in variables]
        if self._variables is None or ids != [id(v) for v in self._variables]:
            self._variables, self.traces = list(variables), {}
