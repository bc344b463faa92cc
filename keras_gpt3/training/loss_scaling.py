"""Loss scaling for float16, the same under every strategy. TensorFlow only.

Small gradients vanish in float16. The loss is therefore multiplied before the
gradient is taken, and the gradient divided after: by a constant, the
optimizer's `loss_scale_factor`, or by the dynamic scale of
`keras.optimizers.LossScaleOptimizer`, which `compile` puts around the optimizer
of a mixed_float16 model. The latter's own `apply` looks for overflow on the
first replica alone and before the sum, so that an infinity on another reaches
the weights; under XLA it fails (keras#21366). Here only its variables are used,
which Keras saves.
"""

import tensorflow as tf

from keras_gpt3.training.optimizer_check import is_dynamic


def scale_loss(optimizer, loss):
    """Multiplies a loss by the optimizer's scale, if it has one."""
    scale = _loss_scale(optimizer)
    if scale is None:
        return loss
    return tf.cast(loss, "float32") * scale


def unscaling_factor(optimizer):
    """Computes what takes the scale off a gradient."""
    scale = _loss_scale(optimizer)
    return None if scale is None else 1.0 / scale


def are_finite(gradients):
    """Whether no gradient holds an infinity or a NaN."""
    finite = []
    for gradient in gradients:
        # Where it lies: the gradients of stages are on other devices.
        with tf.device(gradient.device):
            finite.append(tf.reduce_all(tf.math.is_finite(gradient)))
    return tf.reduce_all(finite)


def update_dynamic_scale(optimizer, is_finite):
    """Halves the scale after an overflow, doubles it after enough good steps.

    To be called once for all replicas, in cross-replica context.
    """
    scale, count = optimizer.dynamic_scale, optimizer.step_counter
    good_steps = tf.convert_to_tensor(count) + 1
    grows = is_finite & (good_steps == optimizer.dynamic_growth_steps)
    starts_anew = grows | ~is_finite
    count.assign(tf.where(starts_anew, tf.zeros_like(good_steps), good_steps))
    change = tf.where(grows, 2.0, tf.where(is_finite, 1.0, 0.5))
    scale.assign(tf.convert_to_tensor(scale) * change)


def _loss_scale(optimizer):
    """The scale as a float32 scalar, or `None`."""
    if not is_dynamic(optimizer):
        factor = optimizer.loss_scale_factor
        return None if factor is None else tf.constant(factor, "float32")
    scale = optimizer.dynamic_scale if optimizer.built else None
    return tf.convert_to_tensor(
        optimizer.initial_scale if scale is None else scale, "float32"
    )
