import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.step.apply_gradients import clip_gradient
from keras_gpt3.training.step.apply_gradients import global_norm
from keras_gpt3.training.step.apply_gradients import gradient_factors

KINDS = ("clipnorm", "global_clipnorm", "clipvalue", None)


def make_optimizer(kind, bound=0.5):
    return keras.optimizers.SGD(**({kind: bound} if kind else {}))


def make_gradients(scale, dtype="float32"):
    generator = np.random.default_rng(0)
    shapes = ((5, 3), (7,), ())
    return [
        tf.cast(scale * generator.normal(size=shape), dtype) for shape in shapes
    ]


def clipped(optimizer, gradients, unscaling=None):
    factors = gradient_factors(optimizer, gradients, unscaling)
    return [
        clip_gradient(optimizer, *pair)
        for pair in zip(gradients, factors, strict=True)
    ]


def assert_close(received, expected, rtol):
    for value, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=rtol)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_clipped_as_keras_does(kind, scale):
    optimizer, gradients = make_optimizer(kind), make_gradients(scale)
    expected = optimizer._clip_gradients(gradients)
    # One float32 sum and two products, in another order.
    assert_close(clipped(optimizer, gradients), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_comes_off_before_the_bound_counts(kind):
    optimizer, gradients = make_optimizer(kind), make_gradients(10.0)
    expected = clipped(optimizer, gradients)
    scaled = [gradient * 1024.0 for gradient in gradients]
    received = clipped(optimizer, scaled, tf.constant(1 / 1024.0))
    assert_close(received, expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_global_norm_that_is_not_finite_spoils_every_gradient(bad):
    optimizer = make_optimizer("global_clipnorm")
    gradients = [tf.constant([1.0, bad]), tf.constant([1.0])]
    for gradient in clipped(optimizer, gradients):
        assert np.isnan(gradient).all()


def test_without_a_bound_and_a_scale_a_gradient_is_left_alone():
    optimizer, gradients = make_optimizer(None), make_gradients(1.0)
    for value, other in zip(
        clipped(optimizer, gradients), gradients, strict=True
    ):
        assert value is other


def test_squares_and_scales_that_float16_cannot_hold_are_right():
    optimizer = make_optimizer("global_clipnorm", bound=1.0)
    # The square of 300 is beyond float16, and so is the scale's inverse.
    received = clipped(
        optimizer,
        [tf.constant([300.0, 400.0], "float16")],
        tf.constant(2.0**-30),
    )
    expected = [np.array([300.0, 400.0]) * 2.0**-30]
    assert_close(received, expected, rtol=1e-6)
    received = clipped(optimizer, [tf.constant([300.0, 400.0], "float16")])
    assert_close(received, [[0.6, 0.8]], rtol=1e-6)


def test_no_square_of_a_gradient_is_kept():
    optimizer = make_optimizer("global_clipnorm")

    @tf.function(autograph=False)
    def norm(gradient):
        return gradient_factors(optimizer, [gradient])

    shape = (50, 40)
    graph = norm.get_concrete_function(tf.TensorSpec(shape)).graph
    large = [
        op.type
        for op in graph.get_operations()
        if op.outputs and op.outputs[0].shape == shape
    ]
    assert large == ["Placeholder"]


def test_the_norm_is_summed_in_the_same_order_in_every_process():
    """TensorFlow orders the terms of an AddN by names that it makes up."""
    specs = [tf.TensorSpec((n,), "float32") for n in range(2, 9)]
    norm = tf.function(lambda *gradients: global_norm(list(gradients)))
    graph = norm.get_concrete_function(*specs).graph.as_graph_def()
    assert "AddN" not in {node.op for node in graph.node}
    gradients = [np.full(spec.shape, 2.0, "float32") for spec in specs]
    expected = 2.0 * np.sqrt(sum(range(2, 9)))
    assert float(norm(*gradients)) == pytest.approx(expected)
