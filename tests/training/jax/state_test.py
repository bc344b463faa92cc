import keras
import numpy as np

from keras_gpt3.training.jax.gradients import seed_places
from keras_gpt3.training.jax.gradients import state_scope
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


def test_a_model_in_the_scope_has_the_values_given():
    model = small_model()
    x, _ = small_batch()
    expected = np.asarray(model(x))
    values = [keras.ops.copy(v.value) for v in model.trainable_variables]
    others = [keras.ops.copy(v.value) for v in model.non_trainable_variables]
    for variable in model.trainable_variables:
        variable.assign(keras.ops.zeros(variable.shape))
    assert not np.any(model(x))
    with state_scope(model, values, others):
        inside = np.asarray(model(x))
    np.testing.assert_allclose(inside, expected, rtol=1e-5, atol=1e-6)
    assert not np.any(model(x))


def test_finds_the_seeds_of_dropout():
    model = small_model(dropout=0.1)
    # Of the embeddings and of each of two blocks.
    found = [model.non_trainable_variables[i] for i in seed_places(model)]
    assert len(found) == 3
    assert {tuple(v.shape) for v in found} == {(2,)}
