import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.parallel import mirrored_strategy
from tests.ops.attention_check import compiled_functions

SPEC = tf.TensorSpec((2, 3))


@compiled_op
def scaled(x, *, factor):
    """Multiplies."""
    return ops.tanh(x) * factor


def double(x):
    return scaled(x, factor=2.0)


def test_a_function_is_compiled_where_it_is_called_in_a_graph():
    assert len(compiled_functions(double, SPEC)) == 1


def test_compilation_can_be_switched_off_and_comes_back():
    with op_compilation(False):
        assert not compiled_functions(double, SPEC)
        with op_compilation(True):
            assert compiled_functions(double, SPEC)
        assert not compiled_functions(double, SPEC)
    assert compiled_functions(double, SPEC)


def test_the_switch_reaches_the_threads_of_a_strategy_s_replicas():
    strategy = mirrored_strategy(2)

    def replicated(x):
        return strategy.run(double, args=(x,)).values

    with op_compilation(False):
        assert not compiled_functions(replicated, SPEC)
    assert compiled_functions(replicated, SPEC)


def test_executables_do_not_pile_up(monkeypatch):
    # The package shows the function of this name; the module is behind it.
    module = sys.modules["keras_gpt3.ops.op_compilation"]
    monkeypatch.setattr(module, "_MOST_EXECUTABLES", 2)
    for length in (1, 2, 3, 1):
        x = tf.ones((length,))
        np.testing.assert_allclose(double(x), 2 * np.tanh(1.0), rtol=1e-6)


def test_compilation_comes_back_after_an_error():
    with pytest.raises(KeyError), op_compilation(False):
        raise KeyError
    assert compiled_functions(double, SPEC)


def test_compiled_equals_not_compiled_at_many_shapes_without_a_warning():
    for length in range(1, 7):
        x = tf.constant(np.linspace(-1, 1, length, dtype="float32"))
        expected = np.tanh(x.numpy()) * 2
        np.testing.assert_allclose(double(x), expected, atol=1e-6)
        with op_compilation(False):
            np.testing.assert_allclose(double(x), expected, atol=1e-6)


def test_constants_are_part_of_the_compiled_code():
    x = tf.ones(3)
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


def test_there_is_a_gpu_only_where_tensorflow_has_one(monkeypatch):
    has_gpu.cache_clear()
    assert not has_gpu()  # The tests hide them.
    has_gpu.cache_clear()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert has_gpu()
    has_gpu.cache_clear()
