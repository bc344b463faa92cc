import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import compile_target
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import compiles_ops
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import in_decode_loop
from keras_gpt3.ops.op_compilation import in_xla_program
from keras_gpt3.ops.op_compilation import is_target_given
from keras_gpt3.ops.op_compilation import jit_compile
from keras_gpt3.ops.op_compilation import target_platform
from keras_gpt3.parallel import mirrored_strategy
from tests.ops.attention.attention_check import compiled_functions
from tests.tracing import traced

SPEC = keras.KerasTensor((2, 3))

compiled_ops = pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)


@compiled_op
def scaled(x, *, factor):
    """Multiplies."""
    return ops.tanh(x) * factor


def double(x):
    return scaled(x, factor=2.0)


@compiled_ops
def test_a_function_is_compiled_where_it_is_called_in_a_graph():
    assert len(compiled_functions(double, SPEC)) == 1


@compiled_ops
def test_compilation_can_be_switched_off_and_comes_back():
    with op_compilation(False):
        assert not compiled_functions(double, SPEC)
        with op_compilation(True):
            assert compiled_functions(double, SPEC)
        assert not compiled_functions(double, SPEC)
    assert compiled_functions(double, SPEC)


@compiled_ops
def test_executables_do_not_pile_up(monkeypatch):
    # The package shows the function of this name; the module is behind it.
    module = sys.modules["keras_gpt3.ops.op_compilation"]
    monkeypatch.setattr(module, "_MOST_EXECUTABLES", 2)
    for length in (1, 2, 3, 1):
        x = ops.ones((length,))
        np.testing.assert_allclose(double(x), 2 * np.tanh(1.0), rtol=1e-6)


@compiled_ops
def test_compilation_comes_back_after_an_error():
    with pytest.raises(KeyError), op_compilation(False):
        raise KeyError
    assert compiled_functions(double, SPEC)


def test_compiled_equals_not_compiled_at_many_shapes_without_a_warning():
    for length in range(1, 7):
        x = np.linspace(-1, 1, length, dtype="float32")
        expected, x = np.tanh(x) * 2, ops.convert_to_tensor(x)
        np.testing.assert_allclose(double(x), expected, atol=1e-6)
        with op_compilation(False):
            np.testing.assert_allclose(double(x), expected, atol=1e-6)


def test_constants_are_part_of_the_compiled_code():
    x = ops.ones(3)
    results = [scaled(x, factor=factor)[0] for factor in (1.0, 2.0, 1.0)]
    np.testing.assert_allclose(
        results, np.tanh(1) * np.array([1, 2, 1]), rtol=1e-6
    )


def test_symbolic_tensors_of_keras_pass_through():
    y = double(keras.KerasTensor((2, 3)))
    assert isinstance(y, keras.KerasTensor) and y.shape == (2, 3)


def test_keeps_name_and_docstring():
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "Multiplies."


@pytest.mark.parametrize("compiler", [jit_compile, as_graph])
def test_a_whole_function_is_traced_once_and_reads_variables_anew(compiler):
    factor, traces = keras.Variable([2.0]), []

    def product(x):
        traces.append((in_xla_program(), in_decode_loop()))
        return x * factor.value

    compiled = compiler(product, [factor])
    for value in (2.0, 3.0):
        factor.assign([value])
        np.testing.assert_array_equal(compiled(ops.ones(3)), [value] * 3)
    is_whole = compiler is jit_compile or keras.config.backend() == "jax"
    assert traces == [(is_whole, is_whole)]
    assert not in_decode_loop()


@pytest.mark.parametrize("compiler", [jit_compile, as_graph])
def test_a_whole_function_may_assign_to_variables(compiler):
    count = keras.Variable([0])

    def step(x):
        count.assign_add([1])
        return x + ops.cast(count.value, "float32")

    compiled = compiler(step, [], [count])
    for value in (1, 2):
        np.testing.assert_array_equal(compiled(ops.zeros(2)), [value] * 2)
    np.testing.assert_array_equal(count.value, [2])


def test_a_whole_function_is_called_as_it_is_without_compilation():
    with op_compilation(False):
        assert jit_compile(double) is double


# === What XLA sees at once ===


def test_nothing_is_seen_at_once_outside():
    assert in_xla_program() == (keras.config.backend() == "jax")
    assert not in_decode_loop()


def by_xla(function):
    return tf.function(function, jit_compile=True, autograph=False)


def in_condition(function):
    return lambda: tf.cond(tf.constant(True), function, lambda: 0)


def in_loop(function):
    return lambda: tf.while_loop(
        lambda x: x < 1, lambda x: (x + function(),), (tf.constant(1),)
    )


@compiled_ops
@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (tf.function, False),
        (by_xla, True),
        (lambda f: by_xla(tf.function(f)), True),
        (lambda f: tf.function(by_xla(f)), True),
        (lambda f: by_xla(in_condition(f)), True),
        (lambda f: by_xla(in_loop(f)), True),
        (lambda f: tf.function(in_condition(f)), False),
    ],
)
def test_the_whole_is_seen_within_what_xla_compiles(wrap, expected):
    seen = []

    def function():
        seen.append(in_xla_program())
        return tf.constant(1)

    wrap(function)()
    assert set(seen) == {expected}
    assert not in_xla_program()


@compiled_ops
@pytest.mark.parametrize("tape_is_inside", [False, True])
def test_a_gradient_sees_the_whole_as_its_function_does(tape_is_inside):
    seen = []

    @tf.custom_gradient
    def function(x):
        def gradient(upstream):
            seen.append(in_xla_program())
            return upstream

        return x, gradient

    def differentiate(function):
        with tf.GradientTape() as tape:
            x = tf.ones(2)
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    if tape_is_inside:
        by_xla(lambda: differentiate(function))()
    else:
        differentiate(by_xla(function))
    assert seen == [True]


@compiled_ops
@pytest.mark.parametrize("wrap", [lambda f: f, by_xla])
def test_the_threads_of_replicas_see_what_is_compiled_in_them(wrap):
    strategy, seen = mirrored_strategy(2), []

    def replica(x):
        seen.append((threading.current_thread(), in_xla_program()))
        return x + 1.0

    function = tf.function(lambda x: strategy.run(wrap(replica), (x,)).values)
    function.get_concrete_function(tf.TensorSpec((2,)))
    assert {whole for _, whole in seen} == {wrap is by_xla}
    assert threading.current_thread() not in [thread for thread, _ in seen]


@compiled_ops
def test_what_is_compiled_as_a_whole_has_no_compiled_operations():
    scaled_whole = by_xla(double)
    graph = scaled_whole.get_concrete_function(tf.TensorSpec((2, 3))).graph
    assert [f for f in graph.as_graph_def().library.function] == []


# === Threads ===


@contextlib.contextmanager
def paused_within(scope):
    """Another thread, waiting within `scope()` for the block to end.

    Gives a list of what `state` says there, when it has ended.
    """
    entered, may_leave, states = threading.Event(), threading.Event(), []

    def work():
        with scope():
            entered.set()
            assert may_leave.wait(60)
            states.append(state())

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        assert entered.wait(60)
        yield states
        may_leave.set()
        future.result()


def state():
    return compiles_ops(), target_platform()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (lambda: op_compilation(False), (False, "cpu")),
        (lambda: compile_target("gpu"), (True, "gpu")),
    ],
)
def test_a_switch_holds_for_the_thread_that_enters_it(scope, expected):
    with paused_within(scope) as states:
        assert state() == (True, "cpu")
        with op_compilation(False), compile_target("tpu"):
            assert state() == (False, "tpu")
    assert states == [expected]
    assert state() == (True, "cpu")


@compiled_ops
def test_threads_trace_at_once_each_with_its_own_switch():
    with paused_within(lambda: op_compilation(False)):
        assert compiled_functions(double, SPEC)
    with op_compilation(False), ThreadPoolExecutor(1) as pool:
        assert pool.submit(compiled_functions, double, SPEC).result()
        assert not compiled_functions(double, SPEC)


def test_a_decode_loop_that_another_thread_traces_does_not_show():
    entered, may_leave, seen = threading.Event(), threading.Event(), []

    def function(x):
        entered.set()
        assert may_leave.wait(60)
        seen.append(in_decode_loop())
        return x + 1.0

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(jit_compile(function), ops.ones(3))
        assert entered.wait(60)
        assert not in_decode_loop()
        traced(lambda x: seen.append(in_decode_loop()) or x)(ops.ones(2))
        may_leave.set()
        np.testing.assert_array_equal(future.result(), [2.0] * 3)
    assert seen == [False, True]


# === What it is compiled for ===


def test_there_is_a_gpu_only_where_the_backend_has_one(monkeypatch):
    assert not has_gpu()  # The tests hide them.
    assert not is_target_given()
    if keras.config.backend() == "jax":
        monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    else:
        monkeypatch.setattr(
            "tensorflow.config.get_visible_devices", lambda kind: [kind]
        )
    assert has_gpu()
    assert target_platform() == "gpu"


@pytest.mark.backend("tensorflow", reason="JAX takes the devices it is given.")
def test_a_gpu_that_is_hidden_is_none(monkeypatch):
    monkeypatch.setattr(
        "tensorflow.config.list_physical_devices", lambda kind=None: [kind]
    )
    assert not has_gpu()


def test_a_target_stands_for_devices_that_are_not_there():
    with pytest.raises(KeyError), compile_target("gpu"):
        assert (has_gpu(), target_platform()) == (True, "gpu")
        assert is_target_given()
        with compile_target("cpu"):
            assert not has_gpu()
        with compile_target("tpu"):
            assert has_gpu()
        assert target_platform() == "gpu"
        raise KeyError
    assert not has_gpu()
    assert not is_target_given()


@pytest.mark.parametrize("device", ["CPU:0", None])
def test_what_is_placed_on_a_cpu_is_compiled_for_it(device, monkeypatch):
    seen = []
    if keras.config.backend() == "jax":
        import jax

        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
        placed = jax.devices("cpu")[0] if device else None
        with jax.default_device(placed):
            jax.jit(lambda: seen.append(target_platform()))()
    else:
        import tensorflow as tf

        monkeypatch.setattr(
            tf.config, "get_visible_devices", lambda kind: [kind]
        )

        @tf.function
        def traced():
            with tf.device(device):
                seen.append(target_platform())

        traced.get_concrete_function()
    assert seen == ["cpu" if device else "gpu"]
