import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.step.monitored_step import evaluation_sums
from keras_gpt3.training.step.monitored_step import monitored_step
from tests.small_gpt3 import small_batch
from tests.training.slow_training import slow_training
from tests.training.small_training import OPTIMIZERS
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import new_model

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
    [(1, dict, 1), (2, dict, 2), (1, in_ones, 4), (2, in_ones, 4)],
)
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


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
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
