import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.parallel.pipeline_stages import assign_stages
from keras_gpt3.training.step.apply_gradients import squared_norm
from keras_gpt3.training.step.loss_and_gradients import chunked_gradients
from keras_gpt3.training.step.pipelined_gradients import FirstStage
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

pytestmark = pytest.mark.backend("tensorflow", reason="TensorFlow's step")


def batch(ids=None):
    """A batch; its ids are all the same where one is given."""
    x, y = small_batch(rows=2)
    if ids is not None:
        x["token_ids"] = np.full_like(x["token_ids"], ids)
    weights = np.random.default_rng(0).uniform(size=y.shape)
    weights = tf.constant(weights / weights.sum(), "float32")
    return *tf.nest.map_structure(tf.constant, (x, y)), weights


def everything(model):
    pass


def freeze_table(model):
    model.backbone.token_embedding.trainable = False


def adapt_table(model):
    model.backbone.enable_lora(2, ["token_embedding"])
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))


@pytest.mark.parametrize("prepare", [everything, freeze_table, adapt_table])
@pytest.mark.parametrize("ids", [None, 7], ids=["many ids", "one id"])
def test_a_stage_of_all_blocks_has_the_gradients_of_the_model(prepare, ids):
    """Its norm adds up both uses of the table, of which it keeps rows alone."""
    model = small_model(num_layers=1, attention_pattern=("dense",))
    prepare(model)
    variables = model.trainable_variables
    (stage,) = assign_stages(model.backbone.decoder_blocks, 1, None)
    x, y, weights = batch(ids)
    scale = tf.constant(4.0)
    with op_compilation(False):
        expected, gradients, _ = chunked_gradients(model, x, y, weights, scale)
        passes = FirstStage(model, stage, variables, observes=True)
        hidden = passes.forward(None, x)
        sums, upstream = passes.head(hidden, x, y, weights, scale)
        d_hidden, norm = passes.backward(upstream)
    assert d_hidden is None
    np.testing.assert_allclose(sums, expected, rtol=1e-6)
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    largest = max(np.linalg.norm(gradient) for gradient in gradients)
    for total, gradient in zip(passes.results(), gradients, strict=True):
        assert np.linalg.norm(total - gradient) <= 1e-5 * largest
    np.testing.assert_allclose(norm, squared_norm(gradients), rtol=1e-5)
