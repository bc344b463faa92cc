import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops.op_compilation import jitted

pytestmark = pytest.mark.backend("jax", reason="it compiles by JAX")


def test_a_variable_s_value_is_read_at_each_call_and_traced_once():
    factor, traces = keras.Variable([2.0]), []

    def scaled(x, more):
        traces.append(x.shape)
        return {"product": x * factor.value + more["sum"]}

    call = jitted(scaled, [factor])
    for value in (2.0, 3.0):
        factor.assign([value])
        found = call(ops.ones(3), {"sum": ops.ones(3)})
        np.testing.assert_array_equal(found["product"], [value + 1] * 3)
    assert traces == [(3,)]


def test_an_assigned_variable_keeps_its_new_value():
    factor, count = keras.Variable([2.0]), keras.Variable([0])

    def step(x):
        count.assign_add([1])
        return x * factor.value * ops.cast(count.value, "float32")

    call = jitted(step, [factor], [count])
    np.testing.assert_array_equal(call(ops.ones(1)), [2])
    np.testing.assert_array_equal(call(ops.ones(1)), [4])
    np.testing.assert_array_equal(count.value, [2])


def test_a_variable_that_is_not_told_of_stays_what_it_was_when_traced():
    factor = keras.Variable([2.0])
    call = jitted(lambda x: x * factor.value)
    call(ops.ones(1))
    factor.assign([3.0])
    np.testing.assert_array_equal(call(ops.ones(1)), [2])


def test_nothing_is_assigned_where_the_function_raises():
    count = keras.Variable([0])

    def fails(x):
        count.assign_add([1])
        raise KeyError

    with pytest.raises(KeyError):
        jitted(fails, changed=[count])(ops.ones(1))
    np.testing.assert_array_equal(count.value, [0])
