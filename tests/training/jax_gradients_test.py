import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import token_cross_entropy
from tests.parallel.meshes import assert_same_weights
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.parallel.meshes import weight_values
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_batch

pytestmark = pytest.mark.backend("jax", reason="the step under JAX")

SCALE = 3.0


def token_shares(y):
    """Weights of tokens, a row of padding among them, that sum to 1."""
    weights = np.random.default_rng(1).uniform(size=y.shape)
    weights[1] = 0.0
    return (weights / weights.sum()).astype("float32")


def values(variables):
    return [ops.copy(variable.value) for variable in variables]


def compute(model, rows=ROWS):
    """Loss and gradients of a batch, by path, and the seeds after it."""
    import jax

    from keras_gpt3.training.jax_gradients import batch_gradients

    x, y = small_batch(rows=rows)
    batch = keras.tree.map_structure(
        ops.convert_to_tensor, (x, y, token_shares(y))
    )
    function = jax.jit(functools.partial(batch_gradients, model))
    sums, gradients, others = function(
        values(model.trainable_variables),
        values(model.non_trainable_variables),
        batch,
        ops.convert_to_tensor(SCALE),
    )
    return np.asarray(sums), by_path(model, gradients), others


def by_path(model, gradients):
    """Gradients as `weight_values` gives weights."""
    for variable, gradient in zip(
        model.trainable_variables, gradients, strict=True
    ):
        variable.assign(gradient)
    return weight_values(model)


@functools.cache
def expected():
    """The same by JAX' own gradient of the mean over all logits."""
    import jax

    from keras_gpt3.training.jax_state import state_scope

    model = new_model()
    x, y = small_batch()
    shares = token_shares(y)
    others = values(model.non_trainable_variables)

    def loss(trainable):
        with state_scope(model, trainable, others):
            logits = model(x)
        right = ops.cast(ops.argmax(logits, axis=-1) == y, "float32")
        return (
            ops.sum(token_cross_entropy(y, logits) * shares),
            ops.sum(right * shares),
        )

    trainable = values(model.trainable_variables)
    (value, right), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        trainable
    )
    gradients = [gradient * SCALE for gradient in gradients]
    return np.array([value, right]), by_path(model, gradients)


@pytest.mark.parametrize(
    ("shape", "micro_batch_size", "options"),
    [
        (None, None, {}),
        (None, 2, {}),
        ((2, 2), None, {}),
        ((2, 2), 1, {}),
        ((1, 4), 1, {}),
        ((2, 2), 1, {"shard_weights": True}),
        ((4, 1), None, {"shard_optimizer": True}),
    ],
)
def test_equals_the_gradient_of_the_mean_over_all_logits(
    shape, micro_batch_size, options
):
    with distributed(shape, **options):
        sums, gradients, _ = compute(new_model(micro_batch_size))
    np.testing.assert_allclose(sums, expected()[0], rtol=1e-5)
    # float32 rounding of sums in another order.
    assert_same_weights(gradients, expected()[1], 1e-5)


def test_parts_of_a_batch_and_micro_batches_drop_different_entries():
    # Twice the same row gives twice the same gradient, unless masks differ.
    losses = []
    for shape, size in (((2, 1), None), (None, 1)):
        with distributed(shape):
            model = new_model(size, dropout=0.5)
            before = np.asarray(model.non_trainable_variables[0].value)
            sums, _, others = compute(model)
        losses.append(sums[0])
        draws = 1 if size is None else ROWS
        np.testing.assert_array_equal(others[0], before + [0, draws])
    assert losses[0] != losses[1]


def test_a_batch_that_the_mesh_does_not_divide():
    with distributed((4, 1)), pytest.raises(ValueError, match="rows=6, batch"):
        compute(new_model(), rows=6)


def test_micro_batches_that_do_not_divide_the_part_of_a_device():
    with (
        distributed((2, 1)),
        pytest.raises(ValueError, match="Received: rows=2, micro_batch_size=4"),
    ):
        compute(new_model(micro_batch_size=4))
