import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training import AdamW
from keras_gpt3.training.apply_gradients import apply_gradients
from keras_gpt3.training.apply_gradients import check_optimizer

# Every way of Keras to clip, with and without state.
OPTIMIZERS = {
    "adamw": lambda: AdamW(0.1, global_clipnorm=0.5),
    "momentum": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, global_clipnorm=0.5
    ),
    "average": lambda: keras.optimizers.Adam(0.1, clipnorm=0.5, use_ema=True),
    "clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.2),
}


def make_variables():
    values = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("f")
    return [
        keras.Variable(values[0], name="kernel"),
        # The update pushes it below 0.
        keras.Variable(values[1] * 0, name="bias", constraint="non_neg"),
    ]


def make_gradients(step, share=0):
    """Random gradients, longer than the bounds above; small in step 1."""
    generator = np.random.default_rng([step, share])
    scale = 0.01 if step == 1 else 1.0
    return [
        tf.constant(scale * generator.normal(size=(3, 2)).astype("f"))
        for _ in range(2)
    ]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_device_gets_keras_own_update(name):
    ours, theirs = make_variables(), make_variables()
    optimizer, stock = OPTIMIZERS[name](), OPTIMIZERS[name]()
    for step in range(3):
        gradients = make_gradients(step)
        apply_gradients(optimizer, gradients, ours)
        stock.apply_gradients(zip(gradients, theirs, strict=True))
    assert int(optimizer.iterations) == 3
    states = zip(
        ours + optimizer.variables, theirs + stock.variables, strict=True
    )
    for our, their in states:
        np.testing.assert_array_equal(our.numpy(), their.numpy())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_replicas_update_with_the_sum_of_their_gradients(name):
    strategy = mirrored_strategy(2)
    with strategy.scope():
        variables, optimizer = make_variables(), OPTIMIZERS[name]()
        optimizer.build(variables)

    @tf.function
    def run(*shares):
        def replica():
            context = tf.distribute.get_replica_context()
            index = context.replica_id_in_sync_group
            apply_gradients(
                optimizer, [tf.stack(s)[index] for s in shares], variables
            )

        strategy.run(replica)

    expected, single = make_variables(), OPTIMIZERS[name]()
    for step in range(3):
        shares = zip(
            make_gradients(step, 0), make_gradients(step, 1), strict=True
        )
        shares = list(shares)
        run(*shares)
        apply_gradients(single, [a + b for a, b in shares], expected)
    states = zip(
        variables + optimizer.variables,
        expected + single.variables,
        strict=True,
    )
    for variable, other in states:
        np.testing.assert_allclose(
            variable.numpy(), other.numpy(), rtol=1e-6, atol=1e-7
        )


def test_a_sparse_gradient_is_applied_to_its_rows():
    variable = keras.Variable(np.ones((4, 2), "float32"))
    rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 1]), (4, 2))
    apply_gradients(keras.optimizers.SGD(0.5), [rows], [variable])
    np.testing.assert_array_equal(variable.numpy()[:, 0], [1, 0, 1, 1])


def test_accumulation_by_the_optimizer_raises():
    message = (
        "gradient_accumulation_steps must be None: under a distribution "
        "strategy the optimizer cannot accumulate. Received: "
        "gradient_accumulation_steps=4. Use a larger batch."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(AdamW(gradient_accumulation_steps=4))


def test_overwriting_weights_with_averages_raises():
    message = (
        "ema_overwrite_frequency must be None: weights cannot be overwritten "
        "inside a distributed step. Received: ema_overwrite_frequency=3. "
        "Leave it out: fit writes the averages at its end."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(AdamW(use_ema=True, ema_overwrite_frequency=3))


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: keras.optimizers.LossScaleOptimizer(AdamW()),
        lambda: AdamW(loss_scale_factor=8.0),
    ],
    ids=["LossScaleOptimizer", "AdamW"],
)
def test_a_scaled_loss_raises(make_optimizer):
    optimizer = make_optimizer()
    message = (
        "The optimizer must not scale the loss. Received: optimizer="
        f"{type(optimizer).__name__} with dtype 'mixed_float16' or a "
        "loss_scale_factor. Use dtype='mixed_bfloat16', which needs no "
        "scaling."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_other_optimizers_pass(name):
    check_optimizer(OPTIMIZERS[name]())
