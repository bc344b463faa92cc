import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import GradientNoiseScale
from keras_gpt3.training.step.gradient_noise_scale import NUM_NORM_SUMS
from keras_gpt3.training.step.gradient_noise_scale import with_micro_batch_norms
from keras_gpt3.training.step.monitored_step import evaluation_sums
from keras_gpt3.training.step.monitored_step import monitored_step
from tests.small_gpt3 import small_batch
from tests.training.slow_training import slow_training
from tests.training.small_training import OPTIMIZERS
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import new_model

# === Monitored step ===


REQUESTS = (1.0, 0.0)


def run_step(model, batch, function=monitored_step, requests=REQUESTS):
    """Calls a step on every replica, each with its rows; one result."""
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync

    def part(context):
        rows = context.replica_id_in_sync_group
        return tf.nest.map_structure(
            lambda x: tf.constant(np.split(x, replicas)[rows]), tuple(batch)
        )

    parts = strategy.experimental_distribute_values_from_function(part)
    more = (tf.constant(requests),) if function is monitored_step else ()
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    step = tf.function(
        lambda data: strategy.run(function, args=(model, data, *more))
    )
    return tf.nest.map_structure(
        lambda x: strategy.experimental_local_results(x)[0].numpy(), step(parts)
    )


def micro_batch_of(batch, index, micro_batches):
    return keras.tree.map_structure(
        lambda x: np.split(x, micro_batches)[index], batch
    )


def in_ones():
    return {"micro_batch_size": 1}


@pytest.mark.parametrize(
    "replicas, arguments, micro_batches",
    [(2, in_ones, 4), (1, dict, 1), (2, dict, 2), (1, in_ones, 4)],
)
@pytest.mark.quick_cases(1)
def test_it_trains_and_tells_what_the_slow_step_does(
    replicas, arguments, micro_batches
):
    (batch,) = even_batches(1)
    expected = new_model(pattern=("dense",))
    # The micro-batches of the batch, each alone: the oracle of their norms.
    norms = slow_training(
        new_model(pattern=("dense",)),
        keras.optimizers.SGD(0.0),
        [micro_batch_of(batch, i, micro_batches) for i in range(micro_batches)],
    )["norm"]
    seen = slow_training(expected, OPTIMIZERS["adamw"](), [batch])
    model = new_model(replicas, "adamw", ("dense",), arguments)
    result = run_step(model, batch[:2])
    assert_same_weights(model, expected)
    tokens = batch[1].size
    received = {
        "loss": seen["loss"][0],
        "accuracy": seen["accuracy"][0],
        "tokens": tokens,
        "gradient_norm": seen["norm"][0],
        "applied": 1,
        "micro_batch_squared_norm": np.mean(np.square(norms)),
        "micro_batch_tokens": tokens / micro_batches,
    }
    for name, value in received.items():
        assert result[name] == pytest.approx(value, rel=1e-5), name
    np.testing.assert_array_equal(
        result["requests"], np.multiply(REQUESTS, replicas)
    )


def test_pieces_of_unequal_weight_count_by_their_tokens():
    x, y = small_batch()
    weights = np.ones(y.shape, "float32")
    weights[0, 3:], weights[1] = 0, 0  # One micro-batch is short, one is empty.
    model = new_model(1, "momentum", ("dense",), in_ones)
    result = run_step(model, (x, y, weights))
    assert result["tokens"] == weights.sum()
    shares = weights.sum(1)[weights.sum(1) > 0]
    expected = len(shares) / np.sum(1 / shares)
    assert result["micro_batch_tokens"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("replicas", [2, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.quick_cases(1)
def test_an_update_that_is_not_finite_changes_nothing(replicas, bad):
    model = new_model(replicas, "adamw", ("dense",))
    x, y = small_batch()
    weights = np.ones(y.shape, "float32")
    weights[-1, -1] = bad  # On the last replica alone.
    run_step(model, (x, y))
    before = [v.numpy() for v in [*model.weights, *model.optimizer.variables]]
    result = run_step(model, (x, y, weights))
    assert result["applied"] == 0
    after = [v.numpy() for v in [*model.weights, *model.optimizer.variables]]
    for value, other in zip(after, before, strict=True):
        np.testing.assert_array_equal(value, other)
    assert run_step(model, (x, y))["applied"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_an_overflow_in_float16_is_skipped_and_halves_the_scale(replicas):
    model = new_model(replicas, "adamw", ("dense",), dtype="mixed_float16")
    x, y = small_batch()
    assert run_step(model, (x, y))["applied"] == 1
    weights = np.ones(y.shape, "float32")
    weights[0, 0] = np.inf
    scale = model.optimizer.dynamic_scale.numpy()
    before = model.get_weights()
    result = run_step(model, (x, y, weights))
    assert result["applied"] == 0
    assert model.optimizer.dynamic_scale.numpy() == scale / 2
    for value, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, other)
    # The norms are free of the scale.
    expected = new_model(1, "adamw", ("dense",))
    expected.set_weights(before)
    result = run_step(model, (x, y))
    unscaled = run_step(expected, (x, y))
    # Gradients through float16 differ by about its precision.
    assert result["gradient_norm"] == pytest.approx(
        unscaled["gradient_norm"], rel=0.01
    )
    # Replicas are the micro-batches where there are no micro-batches.
    if replicas == 1:
        squared = unscaled["gradient_norm"] ** 2
        assert result["micro_batch_squared_norm"] == pytest.approx(
            squared, rel=0.02
        )


@pytest.mark.parametrize("replicas", [1, 2])
def test_evaluation_gives_sums_over_tokens(replicas):
    (batch,) = even_batches(1)
    seen = slow_training(
        new_model(pattern=("dense",)), keras.optimizers.SGD(0.0), [batch]
    )
    model = new_model(replicas, "adamw", ("dense",))
    loss, accuracy, tokens = run_step(model, batch[:2], evaluation_sums)
    assert tokens == batch[1].size
    assert loss / tokens == pytest.approx(seen["loss"][0], rel=1e-5)
    assert accuracy / tokens == pytest.approx(seen["accuracy"][0], rel=1e-5)


# === Gradient noise scale ===


def synthetic_step(
    generator, signal, deviation, micro_batches, micro_batch_tokens
):
    """Squared norms of a batch and its micro-batches, of a known noise.

    The mean gradient of `n` tokens is `signal` plus noise of `deviation**2 / n`
    in each direction.
    """
    noise = generator.normal(size=(micro_batches, len(signal)))
    gradients = signal + noise * deviation / np.sqrt(micro_batch_tokens)
    return {
        "squared_norm": np.sum(gradients.mean(0) ** 2),
        "tokens": micro_batches * micro_batch_tokens,
        "micro_batch_squared_norm": np.mean(np.sum(gradients**2, 1)),
        "micro_batch_tokens": micro_batch_tokens,
    }


@pytest.mark.parametrize("micro_batches", [2, 8])
def test_it_finds_the_noise_that_gradients_were_made_with(micro_batches):
    generator = np.random.default_rng(0)
    signal, deviation = generator.normal(size=200), 20.0
    noise = GradientNoiseScale(decay=0.99)
    for _ in range(1000):
        noise.update(
            **synthetic_step(generator, signal, deviation, micro_batches, 64)
        )
    expected = 200 * deviation**2 / np.sum(signal**2)
    # The averages run over about 100 steps, each of which scatters.
    assert noise.tokens == pytest.approx(expected, rel=0.05)
    recommended = noise.recommended_batch_tokens(16)
    assert recommended % 16 == 0
    assert abs(recommended - noise.tokens) <= 8


@pytest.mark.parametrize(
    "change",
    [
        {"micro_batch_tokens": 4096},
        {"micro_batch_tokens": 4096 * (1 - 1e-6)},
        {"micro_batch_squared_norm": float("nan")},
        {"squared_norm": float("inf")},
    ],
)
def test_a_step_that_says_nothing_is_passed_over(change):
    good = {
        "squared_norm": 1.0,
        "tokens": 4096,
        "micro_batch_squared_norm": 2.0,
        "micro_batch_tokens": 1024,
    }
    noise = GradientNoiseScale()
    noise.update(**(good | change))
    assert noise.tokens is None
    assert noise.recommended_batch_tokens(8) is None
    noise.update(**good)
    before = noise.tokens
    noise.update(**(good | change))
    assert noise.tokens == before


def test_saved_averages_are_gone_on_from():
    steps = [
        synthetic_step(np.random.default_rng(i), np.ones(5), 3.0, 4, 8)
        for i in range(6)
    ]
    whole, first, second = (GradientNoiseScale() for _ in range(3))
    for step in steps:
        whole.update(**step)
    for step in steps[:3]:
        first.update(**step)
    second.set_state(first.get_state())
    for step in steps[3:]:
        second.update(**step)
    assert second.get_state() == whole.get_state()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_raises(decay):
    message = (
        f"decay must be from 0 to below 1. Received: decay={decay}. Use 0.95 "
        "to average over about 20 steps."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GradientNoiseScale(decay)


# === Micro batch norms ===


KERNEL = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(3, 2)).astype("float32")
PLACES = [1, 4, 1]  # One twice, as a token that comes twice.


def micro_batch(x, y, weights, gradient_scale):
    """As `chunked_gradients`: weights and scale are factors of gradients."""
    del x, y
    factor = tf.reduce_sum(weights) * gradient_scale
    rows = tf.IndexedSlices(ROWS * factor, tf.constant(PLACES), (5, 2))
    return tf.constant([7.0, 8.0]), [KERNEL * factor, rows], "logits"


def observe(weights, gradient_scale):
    return with_micro_batch_norms(micro_batch)(
        None, None, tf.constant(weights), tf.constant(gradient_scale)
    )


def squared_norm_of_mean():
    """Of the gradient for weights that sum to 1, densely, in float64."""
    dense = np.zeros((5, 2))
    for place, row in zip(PLACES, ROWS.astype("float64"), strict=True):
        dense[place] += row
    return (KERNEL.astype("float64") ** 2).sum() + (dense**2).sum()


@pytest.mark.parametrize("gradient_scale", [1.0, 2.0**15])
@pytest.mark.parametrize("weights", [[[0.1, 0.2]], [[1.0, 0.0]], [[3.0, 5.0]]])
def test_the_norm_is_that_of_the_micro_batch_s_own_mean(
    weights, gradient_scale
):
    sums, _, _ = observe(weights, gradient_scale)
    assert sums.shape == (2 + NUM_NORM_SUMS,)
    expected = [7, 8, squared_norm_of_mean(), 1, 1 / np.sum(weights)]
    # Float32 sums over some 20 numbers.
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


def test_a_micro_batch_without_weight_adds_zeros():
    sums, _, _ = observe([[0.0, 0.0]], 1024.0)
    np.testing.assert_array_equal(sums, [7, 8, 0, 0, 0])


def test_gradients_and_logits_pass_through():
    _, (kernel, rows), logits = observe([[0.5]], 4.0)
    np.testing.assert_array_equal(kernel, 2 * KERNEL)
    np.testing.assert_array_equal(rows.values, 2 * ROWS)
    assert logits == "logits"


def test_half_precision_gradients_do_not_overflow():
    """A float16 holds 300 but not its square."""
    gradient = tf.constant([300.0], "float16")
    observed = with_micro_batch_norms(
        lambda *_: (tf.zeros(2), [gradient], None),
    )
    sums, _, _ = observed(None, None, tf.ones((1, 1)), tf.ones(()))
    np.testing.assert_array_equal(sums, [0, 0, 90000, 1, 1])
