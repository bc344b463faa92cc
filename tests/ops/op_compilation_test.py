import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import is_whole_xla
from keras_gpt3.ops.op_compilation import whole_xla
from keras_gpt3.parallel import mirrored_strategy
from tests.ops.attention_check import compiled_functions

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
def test_the_switch_reaches_the_threads_of_a_strategy_s_replicas():
    strategy = mirrored_strategy(2)

    def replicated(x):
        return strategy.run(double, args=(x,)).values

    with op_compilation(False):
        assert not compiled_functions(replicated, SPEC)
    assert compiled_functions(replicated, SPEC)


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


@pytest.mark.parametrize("compiler", [whole_xla, as_graph])
def test_a_whole_function_is_traced_once_and_reads_variables_anew(compiler):
    factor, traces = keras.Variable([2.0]), []

    def product(x):
        traces.append(is_whole_xla())
        return x * factor.value

    compiled = compiler(product, [factor])
    for value in (2.0, 3.0):
        factor.assign([value])
        np.testing.assert_array_equal(compiled(ops.ones(3)), [value] * 3)
    is_jax = keras.config.backend() == "jax"
    assert traces == [compiler is whole_xla or is_jax]
    assert not is_whole_xla()


@pytest.mark.parametrize("compiler", [whole_xla, as_graph])
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
        assert whole_xla(double) is double


def test_there_is_a_gpu_only_where_the_backend_has_one(monkeypatch):
    has_gpu.cache_clear()
    assert not has_gpu()  # The tests hide them.
    has_gpu.cache_clear()
    if keras.config.backend() == "jax":
        monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    else:
        monkeypatch.setattr(
            "tensorflow.config.list_physical_devices", lambda kind: [kind]
        )
    assert has_gpu()
    has_gpu.cache_clear()
