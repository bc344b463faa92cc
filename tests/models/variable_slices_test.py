import keras
import numpy as np
import pytest

from keras_gpt3.models.presets.checkpoint_loading import fill_variable

NUMBERS = np.arange(12, dtype="float32").reshape(4, 3)


def quarters(array):
    """Four parts that cover a matrix."""
    for rows in (slice(0, 1), slice(1, 4)):
        for columns in (slice(0, 2), slice(2, 3)):
            yield (rows, columns), array[rows, columns]


def test_parts_fill_a_variable():
    variable = keras.Variable("ones", shape=(4, 3))
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


def test_another_backend_gets_the_whole_array(monkeypatch):
    variable = keras.Variable("ones", shape=(4, 3))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


@pytest.mark.backend("jax", reason="tables are padded there")
def test_what_no_part_covers_is_zero(monkeypatch):
    variable = keras.Variable("ones", shape=(6, 3))
    # What memory may hold that is not cleared.
    monkeypatch.setattr(np, "empty", lambda *shape: np.full(shape[0], 7.0))
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value)[4:], 0.0)


@pytest.mark.backend("tensorflow", reason="its variables are written to")
def test_a_variable_is_not_read_and_so_not_copied(monkeypatch):
    from tensorflow.python.ops import gen_resource_variable_ops

    def refuse(*args, **kwargs):
        raise AssertionError("What is being read is copied before a write.")

    variable = keras.Variable("ones", shape=(4, 3))
    with monkeypatch.context() as patch:
        patch.setattr(gen_resource_variable_ops, "read_variable_op", refuse)
        fill_variable(variable, quarters(NUMBERS))
        with pytest.raises(AssertionError, match="copied before a write"):
            variable.value[0:1].assign(NUMBERS[0:1])
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


@pytest.mark.backend("tensorflow", reason="its variables have replicas")
def test_every_replica_is_filled():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        variable = keras.Variable("ones", shape=(4, 3))
    fill_variable(variable, quarters(NUMBERS))
    assert len(variable.value.values) == 2
    for component in variable.value.values:
        np.testing.assert_array_equal(component.numpy(), NUMBERS)


def test_numbers_are_cast_to_the_variable_s_type():
    variable = keras.Variable("ones", shape=(4, 3), dtype="bfloat16")
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(variable).astype("float32"), NUMBERS
    )
