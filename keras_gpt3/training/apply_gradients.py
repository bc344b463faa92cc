"""Average, clip, update: the last part of a step. TensorFlow only."""

import tensorflow as tf
from keras.optimizers import LossScaleOptimizer


def check_optimizer(optimizer):
    """Raises if the step cannot drive an optimizer as it is configured.

    Args:
        optimizer: `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If it accumulates gradients, scales the loss by itself or
            overwrites weights with their averages.
    """
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            "gradient_accumulation_steps must be None: under a distribution "
            "strategy the optimizer cannot accumulate. Received: "
            "gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Use a larger batch."
        )
    if optimizer.ema_overwrite_frequency:
        raise ValueError(
            "ema_overwrite_frequency must be None: weights cannot be "
            "overwritten inside a distributed step. Received: "
            f"ema_overwrite_frequency={optimizer.ema_overwrite_frequency}. "
            "Leave it out: fit writes the averages at its end."
        )
    if isinstance(optimizer, LossScaleOptimizer) or optimizer.loss_scale_factor:
        raise ValueError(
            "The optimizer must not scale the loss. Received: "
            f"optimizer={type(optimizer).__name__} with dtype 'mixed_float16' "
            "or a loss_scale_factor. Use dtype='mixed_bfloat16', which needs "
            "no scaling."
        )


def apply_gradients(optimizer, gradients, variables):
    """Updates the variables with the sum of all replicas' gradients.

    Keras' own `apply_gradients` clips on each replica and sums after, so that
    two replicas differ from one device on the same batch as soon as clipping
    is active (keras defect, also tensorflow#33929). Here the gradients are
    summed, then clipped, then applied, with the optimizer's own code for the
    last two.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        gradients: list of tensors, this replica's share of the mean gradient.
        variables: list of `keras.Variable`, in the same order.
    """
    if not optimizer.built:
        optimizer.build(variables)
    replica = tf.distribute.get_replica_context()
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    gradients = optimizer._clip_gradients(gradients)
    optimizer._apply_weight_decay(variables)
    # `_backend_update_step` would sum over the replicas a second time; this
    # is what it calls then.
    values = [variable.value for variable in variables]
    replica.merge_call(
        optimizer._distributed_tf_update_step,
        args=(list(zip(gradients, values, strict=True)),),
        kwargs={"learning_rate": optimizer.learning_rate},
    )
    if optimizer.use_ema:
        optimizer._update_model_variables_moving_average(variables)
    for variable in variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    # Last: the moving average asks whether this is the first step.
    optimizer._iterations.assign_add(1)
