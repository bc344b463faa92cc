import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.step.micro_batches import in_micro_batches
from tests.small_gpt3 import small_batch
from tests.training.slow_training import slow_training
from tests.training.small_training import OPTIMIZERS
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model
from tests.training.small_training import uneven_dataset


def in_twos():
    return {"micro_batch_size": 2}


def in_ones():
    return {"micro_batch_size": 1}


@pytest.mark.parametrize(
    ("replicas", "arguments"),
    [(2, in_ones), (1, in_ones), (1, in_twos)],
)
@pytest.mark.quick_cases(1)
def test_steps_are_those_of_the_undivided_batch(replicas, arguments):
    expected = new_model()
    seen = slow_training(expected, OPTIMIZERS["adamw"](), even_batches(3))
    model = new_model(replicas, "adamw", arguments=arguments)
    history = model.fit(even_dataset(3), verbose=0).history
    assert_same_weights(model, expected)
    for name in ("loss", "accuracy"):
        mean = np.mean(seen[name])
        assert history[name] == [pytest.approx(mean, rel=1e-5)]


def test_steps_in_mixed_bfloat16_are_those_of_float32():
    expected = new_model()
    slow_training(expected, OPTIMIZERS["momentum"](), even_batches(3))
    model = new_model(1, "momentum", arguments=in_twos, dtype="mixed_bfloat16")
    model.fit(even_dataset(3), verbose=0)
    # bfloat16 rounds products to 1/256: measured 0.012 of the norm, with
    # micro-batches or without. Half of the rows alone move most biases by as
    # much as their norm elsewhere.
    assert_same_weights(model, expected, tolerance=0.02)


def test_weights_count_over_all_micro_batches_together():
    x, y = small_batch()
    # A micro-batch without weight, and others of unequal weight.
    weights = np.random.default_rng(0).uniform(size=y.shape).astype("float32")
    weights[2] = 0
    expected = new_model(pattern=("dense",))
    slow_training(expected, OPTIMIZERS["momentum"](), [(x, y, weights)])
    model = new_model(1, "momentum", ("dense",), in_ones)
    model.train_on_batch(x, y, sample_weight=weights)
    assert_same_weights(model, expected)


def test_micro_batches_are_taken_one_at_a_time():
    model = new_model(1, "momentum", ("dense",), in_ones)
    x, y = (tf.nest.map_structure(tf.constant, part) for part in small_batch())
    step = tf.function(model.train_step, autograph=False)
    graph = step.get_concrete_function((x, y)).graph.as_graph_def()
    loops = [node for node in graph.node if "While" in node.op]
    assert [loop.attr["parallel_iterations"].i for loop in loops] == [1]
    # No product of more than one row of the batch is left outside of it.
    assert not [node for node in graph.node if "MatMul" in node.op]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rows", [0, 2, 6])
def test_gives_the_sums_over_micro_batches(rows, known):
    """A model of one number: its gradient is the weighted sum of the inputs."""
    variable = tf.Variable(1.0)
    calls = []

    def function(x, y, weights, scale):
        calls.append(x["a"].shape)
        loss = tf.reduce_sum(x["a"] * weights)
        return (
            tf.stack([loss, tf.reduce_sum(y * weights)]),
            [loss * scale],
            None,
        )

    spec = tf.TensorSpec((rows if known else None, 3))

    @tf.function(input_signature=[{"a": spec}, spec, spec, tf.TensorSpec(())])
    def divided(*batch):
        return in_micro_batches(function, [variable], 2)(*batch)[:2]

    a, y, weights = np.random.default_rng(rows).normal(size=(3, rows, 3))
    sums, gradients = divided(
        {"a": tf.constant(a, "float32")},
        tf.constant(y, "float32"),
        tf.constant(weights, "float32"),
        tf.constant(8.0),
    )
    expected = [np.sum(a * weights), np.sum(y * weights)]
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
    np.testing.assert_allclose(gradients[0], 8.0 * expected[0], rtol=1e-5)
    assert calls == [(2, 3)]


def test_sums_of_half_precision_gradients_are_float32():
    variable = tf.Variable(1.0, dtype="bfloat16")

    def function(x, y, weights, scale):
        return tf.zeros(2), [tf.constant(1.0, "bfloat16")], None

    divided = in_micro_batches(function, [variable], 1)
    rows = tf.zeros((300, 1))
    _, (total,), _ = divided({"a": rows}, rows, rows, 1.0)
    # In bfloat16, 256 + 1 is 256.
    assert total == 300.0


MESSAGE = (
    "micro_batch_size must divide the rows of a batch on each replica. "
    "Received: rows={rows}, micro_batch_size={size}. Use a divisor, or drop "
    "the batch that is not full."
)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.quick_cases(1)
def test_a_batch_that_it_does_not_divide_is_no_step(jit_compile):
    arguments = in_twos() | {"jit_compile": jit_compile}
    model = new_model(1, "momentum", ("dense",), lambda: arguments)
    batches = [small_batch(rows) for rows in (2, 3)]
    with pytest.raises(ValueError) as caught:
        model.fit(uneven_dataset(batches), verbose=0)
    assert str(caught.value) == MESSAGE.format(rows=3, size=2)
    assert int(model.optimizer.iterations) == 1


def test_a_dataset_that_it_does_not_divide_raises_before_it_trains():
    model = new_model(
        2, "momentum", ("dense",), lambda: {"micro_batch_size": 4}
    )
    before = model.get_weights()
    with pytest.raises(ValueError) as caught:
        model.fit(even_dataset(1), verbose=0)
    assert str(caught.value) == MESSAGE.format(rows=2, size=4)
    for weight, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "auto"])
def test_a_size_that_is_no_number_of_rows_raises(size):
    message = (
        "micro_batch_size must be an integer of at least 1. Received: "
        f"micro_batch_size={size!r}. Pass 1 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        new_model(1, "momentum", arguments=lambda: {"micro_batch_size": size})


def test_a_loss_of_one_s_own_raises():
    with pytest.raises(
        ValueError,
        match=r"^micro_batch_size must be None with a loss or metrics of your "
        r"own\. Received: micro_batch_size=2\. Leave the loss and metrics out",
    ):
        new_model(1, "momentum", arguments=lambda: in_twos() | {"loss": "mse"})
