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

import keras
import tensorflow as tf
from keras.optimizers import LossScaleOptimizer


def scale_loss(optimizer, loss):
    """Multiply a loss by the optimizer's scale, if it has one."""
    scale = _loss_scale(optimizer)
    if scale is None:
        return loss
    return tf.cast(loss, "float32") * scale


def unscaling_factor(optimizer):
    """Compute what takes the scale off a gradient."""
    scale = _loss_scale(optimizer)
    return None if scale is None else 1.0 / scale


def are_finite(gradients):
    """Whether no gradient holds an infinity or a NaN."""
    finite = []
    for gradient in gradients:
        # Where it is: the gradients of stages are on other devices.
        with tf.device(gradient.device):
            finite.append(tf.reduce_all(tf.math.is_finite(gradient)))
    return tf.reduce_all(finite)


def update_dynamic_scale(optimizer, is_finite):
    """Halve the scale after an overflow, double it after enough good steps.

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


def is_dynamic(optimizer):
    """Whether an optimizer adapts its loss scale, and skips on overflow."""
    return isinstance(optimizer, LossScaleOptimizer)


def inner_optimizer(optimizer):
    """Find the optimizer that updates the weights."""
    return optimizer.inner_optimizer if is_dynamic(optimizer) else optimizer


def check_optimizer(optimizer):
    """Raise if the step cannot drive an optimizer as it is configured."""
    optimizer = inner_optimizer(optimizer)
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            "gradient_accumulation_steps must be None: under a distribution "
            "strategy the optimizer cannot accumulate. Received: "
            "gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Leave it out, and use "
            "micro_batch_size of GPT3.compile."
        )
    if optimizer.ema_overwrite_frequency:
        raise ValueError(
            "ema_overwrite_frequency must be None: weights cannot be "
            "overwritten inside a distributed step. Received: "
            f"ema_overwrite_frequency={optimizer.ema_overwrite_frequency}. "
            "Leave it out: fit writes the averages at its end."
        )
    if type(optimizer).apply is not keras.optimizers.Optimizer.apply:
        raise ValueError(
            "The optimizer must not override apply, which clips before the "
            "replicas' gradients are summed. Received: optimizer="
            f"{type(optimizer).__name__}. Use one that overrides update_step "
            "alone."
        )


def check_weights(variables):
    """Raise if the step cannot train variables as they are stored."""
    for variable in variables:
        # Those cannot be clipped or added up over micro-batches and replicas.
        if variable.overwrite_with_gradient:
            raise ValueError(
                "A model must not be in float8 to be trained: its scales are "
                f"no weights. Received: {variable.path}. Train in "
                "mixed_bfloat16, and call quantize after."
            )
        # Adam's epsilon of 1e-8 is 0 there, and so are most squares.
        if variable.dtype == "float16":
            raise ValueError(
                "Weights must not be float16 to be trained: their range is too "
                f"small. Received: {variable.path} in float16. Use "
                "mixed_bfloat16 or mixed_float16, whose weights are float32."
            )


def check_callbacks(optimizer, callbacks):
    """Raise if a callback is to set the learning rate of a schedule.

    Keras raises where it is set: with `ReduceLROnPlateau` after many epochs.
    """
    rate = inner_optimizer(optimizer)._learning_rate
    if isinstance(rate, keras.Variable):
        return
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    setters = (
        keras.callbacks.LearningRateScheduler,
        keras.callbacks.ReduceLROnPlateau,
    )
    for callback in keras.tree.flatten(callbacks):
        if isinstance(callback, setters):
            raise ValueError(
                "learning_rate must be a number where a callback sets it. "
                f"Received: learning_rate={type(rate).__name__}, callbacks "
                f"with {type(callback).__name__}. Use an optimizer such as "
                "keras_gpt3.training.AdamW(6e-4), or leave the callback out."
            )
