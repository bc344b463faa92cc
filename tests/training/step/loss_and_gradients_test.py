import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import parallel
from keras_gpt3.training.step.loss_and_gradients import chunked_gradients
from keras_gpt3.training.step.loss_and_gradients import chunked_sums
from keras_gpt3.training.step.loss_and_gradients import gradients_from_logits
from keras_gpt3.training.step.loss_and_gradients import output_table
from keras_gpt3.training.step.micro_batches import in_micro_batches
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

SCALE = 4.0


def batch():
    x, y = (tf.nest.map_structure(tf.constant, part) for part in small_batch())
    weights = np.random.default_rng(0).uniform(size=y.shape)
    return x, y, tf.constant(weights / weights.sum(), "float32")


def both(model):
    chunked = chunked_gradients(model, *batch(), tf.constant(SCALE))
    return chunked, gradients_from_logits(model, *batch(), tf.constant(SCALE))


def assert_equal(received, expected, tolerance=1e-5):
    for value, other in zip(received, expected, strict=True):
        difference = tf.norm(tf.convert_to_tensor(value) - other)
        assert difference <= tolerance * tf.norm(tf.convert_to_tensor(other))


def is_key_bias(path):
    """Softmax cancels the key bias: its gradient is rounding noise."""
    return path.endswith("query_key_value/bias")


def test_the_chunked_loss_has_the_gradients_of_the_whole_one():
    keras.utils.set_random_seed(0)
    model = small_model()
    (sums, gradients, logits), (expected, others, full) = both(model)
    assert_equal(sums, expected)
    kept = [not is_key_bias(v.path) for v in model.trainable_variables]
    assert_equal(
        [g for g, keep in zip(gradients, kept, strict=True) if keep],
        [g for g, keep in zip(others, kept, strict=True) if keep],
    )
    assert logits is None
    assert full.shape == (*batch()[1].shape, SMALL["vocabulary_size"])
    assert_equal(chunked_sums(model, *batch()), expected)


@pytest.mark.parametrize("freeze", ["token_embedding", "lora"])
def test_frozen_embeddings_get_no_gradient(freeze):
    model = small_model(num_layers=1)
    if freeze == "lora":
        model.backbone.enable_lora(2)
    else:
        model.backbone.token_embedding.trainable = False
    (_, gradients, _), (_, others, _) = both(model)
    paths = [v.path for v in model.trainable_variables]
    assert paths
    assert not any("token_embedding" in path for path in paths)
    kept = [not is_key_bias(path) for path in paths]
    assert_equal(
        [g for g, keep in zip(gradients, kept, strict=True) if keep],
        [g for g, keep in zip(others, kept, strict=True) if keep],
    )


def test_adapters_of_the_embeddings_get_the_gradient_of_both_their_uses():
    model = small_model(num_layers=1)
    model.backbone.enable_lora(2, ["token_embedding"])
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    (sums, gradients, _), (expected, others, _) = both(model)
    assert_equal(sums, expected)
    assert len(gradients) == 2
    assert_equal(gradients, others)
    assert output_table(model).shape == (SMALL["vocabulary_size"], 16)


def test_a_quantized_head_goes_through_all_logits():
    model = small_model(num_layers=1)
    assert not model.compiled_step.needs_logits(model)
    quantize(model, mode="int8")
    assert model.compiled_step.needs_logits(model)
    losses = model.evaluate(*small_batch(), verbose=0, return_dict=True)
    assert losses["loss"] == pytest.approx(np.log(61), rel=0.05)


# === Tokens without a weight ===


def sparse_batch():
    """As `batch`, with one weight in five, and none at all in two rows."""
    x, y, weights = batch()
    kept = np.random.default_rng(1).uniform(size=y.shape) < 0.2
    kept[2:] = False
    assert kept.any()
    return x, y, weights * kept


def is_close(model, received, expected):
    """Compares gradients, but for those that are rounding noise."""
    assert_equal(received[0][None], expected[0][None])
    for variable, value, other in zip(
        model.trainable_variables, received[1], expected[1], strict=True
    ):
        if not is_key_bias(variable.path):
            assert_equal([value], [other])


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("micro_batch_size", [None, 1])
@pytest.mark.quick_cases(1)
def test_tokens_without_a_weight_may_be_left_out(micro_batch_size, lora):
    """Micro-batches in which nothing has a weight are among them."""
    keras.utils.set_random_seed(0)
    model = small_model()
    if lora:
        model.backbone.enable_lora(2)
    function = functools.partial(chunked_gradients, model, weighted_only=True)
    if micro_batch_size is not None:
        function = in_micro_batches(
            function, model.trainable_variables, micro_batch_size
        )
    received = tf.function(function)(*sparse_batch(), tf.constant(SCALE))
    expected = gradients_from_logits(model, *sparse_batch(), tf.constant(SCALE))
    is_close(model, received, expected)
    sums = chunked_sums(model, *sparse_batch(), weighted_only=True)
    assert_equal(sums[None], expected[0][None])


def test_replicas_may_leave_out_tokens_and_one_may_have_none_with_a_weight():
    strategy = parallel.mirrored_strategy(cpu_replicas=2)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = small_model()

    @tf.function
    def run():
        def step():
            replica = tf.distribute.get_replica_context()
            first = replica.replica_id_in_sync_group * ROWS // 2
            part = tf.nest.map_structure(
                lambda x: x[first : first + ROWS // 2], sparse_batch()
            )
            sums, gradients, _ = chunked_gradients(
                model, *part, tf.constant(SCALE), weighted_only=True
            )
            gradients = [tf.convert_to_tensor(g) for g in gradients]
            return replica.all_reduce("SUM", [sums, *gradients])

        return strategy.run(step)

    sums, *gradients = (
        strategy.experimental_local_results(x)[0] for x in run()
    )
    expected = gradients_from_logits(model, *sparse_batch(), tf.constant(SCALE))
    is_close(model, (sums, gradients), expected)
