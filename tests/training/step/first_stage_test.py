import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.parallel.pipeline_stages import assign_stages
from keras_gpt3.training.step.apply_gradients import squared_norm
from keras_gpt3.training.step.loss_and_gradients import chunked_gradients
from keras_gpt3.training.step.pipelined_gradients import FirstStage
from keras_gpt3.training.step.pipelined_gradients import StagePasses
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

# === First stage ===


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
@pytest.mark.quick_cases(2)
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


# === Stage passes ===


def make_stage(device, block, value=3.0, observes=False):
    """A stage of a function and a single weight."""
    with tf.device(device):
        variable = tf.Variable([value, value])
    stage = types.SimpleNamespace(
        device=device,
        blocks=[lambda x, **_: block(x, variable)],
    )
    return StagePasses(stage, [variable], observes)


def inputs(rows=1):
    return {"padding_mask": tf.ones((rows, 2), "bool")}


def test_gradients_are_added_up_and_handed_down():
    stage = make_stage("CPU:1", lambda x, w: x * x * w, observes=True)
    states = [tf.constant([[1.0, 2.0]]), tf.constant([[4.0, 1.0]])]
    outputs = [stage.forward(x, inputs()) for x in states]
    np.testing.assert_array_equal(outputs, [[[3, 12]], [[48, 3]]])
    upstream = tf.constant([[1.0, 10.0]])
    (first, norm), (second, _) = (stage.backward(upstream) for _ in outputs)
    # d(x x w) is 2 x w to the input, and x x to the weight.
    np.testing.assert_array_equal(first, [[6, 120]])
    np.testing.assert_array_equal(second, [[24, 60]])
    assert norm == 1 + 40**2
    (total,) = stage.results()
    np.testing.assert_array_equal(total, [1 + 16, 40 + 10])
    assert total.device.endswith("CPU:1")


def test_it_goes_on_with_the_sums_it_is_given():
    stage = make_stage("CPU:0", lambda x, w: x * w)
    stage.start([tf.constant([5.0, 5.0])])
    stage.forward(tf.ones((1, 2)), inputs())
    assert stage.backward(tf.ones((1, 2)))[1] is None
    np.testing.assert_array_equal(stage.results()[0], [6, 6])


def calls(function):
    """A block that calls a Python function, in its graph."""

    def block(x, variable):
        (y,) = tf.py_function(lambda x: [function(x)], [x], [tf.float32])
        return tf.ensure_shape(y, x.shape) * variable

    return block


def test_a_device_takes_one_after_the_other_and_others_go_on_beside_it():
    """The barriers let pass two at a time, of two devices: else they break."""
    micro_batches, running, seen = 4, [], []
    meetings = [threading.Barrier(2, timeout=60) for _ in range(3)]

    def visit(stage):
        def function(x):
            number = int(x[0, 0])
            running.append(stage)
            seen.append((stage, number))
            assert running.count(stage) == 1
            # Stage 1 has a micro-batch while stage 0 has the next one.
            meeting = number + stage - 1
            if 0 <= meeting < len(meetings):
                meetings[meeting].wait()
            running.remove(stage)
            return x

        return function

    stages = [
        make_stage(f"CPU:{n}", calls(visit(n)), value=1.0) for n in range(2)
    ]

    @tf.function(autograph=False)
    def run():
        for stage in stages:
            stage.start()
        for number in range(micro_batches):
            x = tf.fill((1, 2), float(number))
            for stage in stages:
                x = stage.forward(x, inputs())
        return x

    run()
    for stage in range(2):
        order = [number for which, number in seen if which == stage]
        assert order == list(range(micro_batches))
