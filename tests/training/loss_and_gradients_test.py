import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.loss_and_gradients import chunked_gradients
from keras_gpt3.training.loss_and_gradients import chunked_sums
from keras_gpt3.training.loss_and_gradients import output_table
from keras_gpt3.training.loss_and_gradients import whole_gradients
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
    return chunked, whole_gradients(model, *batch(), tf.constant(SCALE))


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
    assert not model._step.needs_logits(model)
    quantize(model, mode="int8")
    assert model._step.needs_logits(model)
    losses = model.evaluate(*small_batch(), verbose=0, return_dict=True)
    assert losses["loss"] == pytest.approx(np.log(61), rel=0.05)
