"""An error in data costs a model nothing, on any backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.models.kept_state import keep_state
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

LOOPS = ["fit", "evaluate", "predict"]


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


@pytest.fixture(scope="module")
def model():
    model = small_model(num_layers=1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(*small_batch(rows=2), verbose=0)
    return model


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


@pytest.mark.backend("jax", reason="elsewhere variables keep their values")
def test_a_step_that_fails_gives_its_state_back():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)

    def fail(state, iterator):
        raise KeyboardInterrupt

    step = keep_state(model, fail)
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
        purge_model_variables=True,
    )
    assert model.trainable_variables[0]._value is None
    with pytest.raises(KeyboardInterrupt):
        step(state, iter(()))
    taken = [value for part in state for value in part]
    given = [
        *model.trainable_variables,
        *model.optimizer.variables,
        *model.metrics_variables,
    ]
    assert len(given) == len(taken) > 4
    assert all(v.value is x for v, x in zip(given, taken, strict=True))
