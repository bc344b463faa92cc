import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import AdamW
from keras_gpt3.training.step.apply_gradients import apply_gradients
from tests.training.small_updates import assert_same_by_norm
from tests.training.small_updates import make_gradients
from tests.training.small_updates import make_variables
from tests.training.small_updates import on_each_replica
from tests.training.small_updates import states
from tests.training.small_updates import two_replicas

optimizers = keras.optimizers
DECREASING = optimizers.schedules.CosineDecay(0.1, 20)
# Every way of Keras to clip, to decay and to step, with and without state.
# At Adam's own beta_2 two float32 formulas differ: see adam_kernel_test.
OPTIMIZERS = {
    "adamw": lambda: AdamW(DECREASING, global_clipnorm=0.5),
    "average": lambda: optimizers.Adam(
        0.1, beta_2=0.95, clipnorm=0.5, use_ema=True
    ),
    "amsgrad": lambda: optimizers.Adam(0.1, amsgrad=True, clipvalue=0.2),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.2, weight_decay=0.1),
    "nadam": lambda: optimizers.Nadam(0.1, clipnorm=0.5),
    "muon": lambda: optimizers.Muon(0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_device_gets_keras_own_update(name):
    ours, theirs = make_variables(), make_variables()
    optimizer, stock = OPTIMIZERS[name](), OPTIMIZERS[name]()
    for step in range(10):
        gradients = make_gradients(step)
        apply_gradients(optimizer, gradients, ours)
        stock.apply_gradients(zip(gradients, theirs, strict=True))
    assert int(optimizer.iterations) == 10
    # Ten float32 steps, in another order of operations.
    assert_same_by_norm(states(optimizer, ours), states(stock, theirs), 1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_replicas_update_with_the_sum_of_their_gradients(name):
    optimizer, variables, run = two_replicas(OPTIMIZERS[name])
    expected, single = make_variables(), OPTIMIZERS[name]()
    for step in range(3):
        shares = make_gradients(step, 0), make_gradients(step, 1)
        run(*shares)
        sums = [a + b for a, b in zip(*shares, strict=True)]
        apply_gradients(single, sums, expected)
    assert_same_by_norm(
        states(optimizer, variables), states(single, expected), 1e-6
    )
    for variable in [*variables, *optimizer.variables]:
        np.testing.assert_array_equal(*on_each_replica(variable))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_variables_of_16_bits_get_keras_own_update(dtype, clip):
    arguments = {"global_clipnorm": clip, "beta_2": 0.95, "epsilon": 1e-4}
    ours, theirs = make_variables(dtype), make_variables(dtype)
    optimizer, stock = (optimizers.Adam(0.1, **arguments) for _ in range(2))
    for step in range(3):
        gradients = make_gradients(step, dtype=dtype)
        apply_gradients(optimizer, gradients, ours)
        stock.apply(gradients, theirs)
    # The same operations; but the norm is a float32 here.
    tolerance = 3 * 2.0**-8 if clip else 0.0
    assert_same_by_norm(
        {v.path: v.numpy() for v in ours},
        {v.path: v.numpy() for v in theirs},
        tolerance,
    )


def test_a_sparse_gradient_is_applied_to_its_rows():
    variable = keras.Variable(np.ones((4, 2), "float32"))
    rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 1]), (4, 2))
    apply_gradients(keras.optimizers.SGD(0.5), [rows], [variable])
    np.testing.assert_array_equal(variable.numpy()[:, 0], [1, 0, 1, 1])


def scaled(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer)
