"""An error in data costs a model nothing, on any backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.models.fit.jax_state import KeptState
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

LOOPS = ["fit", "evaluate", "predict"]
jax_only = pytest.mark.backend(
    "jax", reason="elsewhere variables keep their values"
)


def dataset_with_an_error(good_batches):
    """Batches of 2 rows; after the good ones comes an id that is none."""
    x, y = small_batch(rows=2 * good_batches + 2)
    x["token_ids"][-1, 5] = 61
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(2, True)


def values(model):
    variables = [*model.variables, *model.optimizer.variables]
    return {
        v.path: keras.ops.convert_to_numpy(v)
        for v in variables
        # TensorFlow may have counted the step that failed.
        if not v.path.endswith("/iteration")
    }


def trained_model(**arguments):
    model = small_model(num_layers=1)
    model.compile(keras.optimizers.Adam(1e-3), **arguments)
    model.fit(*small_batch(rows=2), verbose=0)
    return model


@pytest.fixture(scope="module")
def model():
    return trained_model()


@pytest.mark.parametrize("good_batches", [0, 1])
@pytest.mark.parametrize("loop", LOOPS)
def test_an_error_in_a_dataset_leaves_the_model_as_it_was(
    loop, good_batches, model
):
    before = values(model)
    with pytest.raises(ValueError, match=r"Received: id=61\."):
        getattr(model, loop)(dataset_with_an_error(good_batches), verbose=0)
    after = values(model)
    assert before.keys() == after.keys()
    is_trained = loop == "fit" and good_batches
    for path, value in before.items():
        assert np.all(np.isfinite(after[path]))
        if not is_trained and "metric" not in path:
            np.testing.assert_array_equal(after[path], value)
    assert is_trained == any(np.any(v != after[k]) for k, v in before.items())


@jax_only
@pytest.mark.parametrize("loop", LOOPS)
def test_an_error_amid_an_execution_keeps_the_steps_before_it(loop):
    model = trained_model(steps_per_execution=2)
    before = values(model)
    with pytest.raises(ValueError, match=r"Received: id=61\."):
        getattr(model, loop)(dataset_with_an_error(3), verbose=0)
    after = values(model)
    changed = {k for k, v in before.items() if np.any(v != after[k])}
    assert any("metric" not in path for path in changed) == (loop == "fit")
    assert model.optimizer.iterations == (4 if loop == "fit" else 1)


@jax_only
@pytest.mark.parametrize("loop", LOOPS)
def test_weights_that_are_set_after_an_error_stay(loop, model):
    with pytest.raises(ValueError, match=r"Received: id=61\."):
        getattr(model, loop)(dataset_with_an_error(1), verbose=0)
    weights = [weight + 1 for weight in model.get_weights()]
    model.set_weights(weights)
    # As a callback does that reads `model` before the first step of `fit`.
    model.jax_state_sync()
    for weight, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


# === A step that fails ===


def emptied_model():
    """A small model whose values are in a state alone, and that state."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
        purge_model_variables=True,
    )
    assert model.trainable_variables[0]._value is None
    return model, state


@jax_only
def test_a_step_that_fails_gives_its_state_back():
    model, state = emptied_model()

    def fail(state, iterator):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        KeptState(model).given_back_by(fail)(state, iter(()))
    taken = [value for part in state for value in part]
    given = [
        *model.trainable_variables,
        *model.optimizer.variables,
        *model.metrics_variables,
    ]
    assert len(given) == len(taken) > 4
    assert all(v.value is x for v, x in zip(given, taken, strict=True))


@jax_only
def test_a_step_that_fails_on_the_device_says_that_values_are_gone():
    model, state = emptied_model()
    number = sum(map(len, state))

    def fail(state, iterator):
        state[0][0].delete()
        raise MemoryError

    with pytest.raises(
        RuntimeError,
        match="^A step that has taken the memory of the values must end. "
        f"Received: MemoryError, which left 1 of {number} variables without a "
        "value. Make the model anew, and restore its last checkpoint.$",
    ):
        KeptState(model).given_back_by(fail)(state, iter(()))
