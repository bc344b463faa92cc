import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.step.pipelined_gradients import StagePasses

pytestmark = pytest.mark.backend("tensorflow", reason="TensorFlow's step")


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
