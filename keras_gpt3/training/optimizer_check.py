"""What kind of optimizer the step is given, and whether it can drive it."""

import keras
from keras.optimizers import LossScaleOptimizer


def is_dynamic(optimizer):
    """Whether an optimizer adapts its loss scale, and skips on overflow."""
    return isinstance(optimizer, LossScaleOptimizer)


def inner_optimizer(optimizer):
    """Finds the optimizer that updates the weights."""
    return optimizer.inner_optimizer if is_dynamic(optimizer) else optimizer


def check_optimizer(optimizer):
    """Raises if the step cannot drive an optimizer as it is configured."""
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
    """Raises if the step cannot train variables as they are stored."""
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
    """Raises if a callback is to set the learning rate of a schedule.

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
