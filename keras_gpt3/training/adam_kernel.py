"""Adam as one TensorFlow kernel a variable, in place. TensorFlow only.

Keras' `Adam.update_step` is a chain of operations with several temporaries of
the size of the variable. TensorFlow's `ResourceApplyAdam` is the same formula,
epsilon outside the bias correction included, in one pass over the memory.
"""

import keras
import tensorflow as tf


def has_adam_kernel(optimizer):
    """Whether an optimizer's update is the kernel's formula."""
    update_step = getattr(optimizer.update_step, "__func__", None)
    is_adam = update_step is keras.optimizers.Adam.update_step
    return is_adam and not optimizer.amsgrad


def adam_arguments(optimizer, learning_rate):
    """The kernel's arguments that all variables of a step share."""
    beta_1, beta_2, epsilon = (
        tf.constant(value, "float32")
        for value in (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    )
    step = tf.cast(tf.convert_to_tensor(optimizer.iterations) + 1, "float32")
    return {
        "beta1_power": tf.pow(beta_1, step),
        "beta2_power": tf.pow(beta_2, step),
        "lr": tf.cast(learning_rate, "float32"),
        "beta1": beta_1,
        "beta2": beta_2,
        "epsilon": epsilon,
    }


def adam_slots(optimizer, variable):
    """The slots of a variable, if the kernel updates it.

    The kernel takes float32 alone, and aborts the process where it finds
    another dtype. With 16 bits the rounding of `1 - beta_2` decides, so that
    Keras' own update stays.
    """
    if not has_adam_kernel(optimizer):
        return None
    index = optimizer._get_variable_index(variable)
    slots = optimizer._momentums[index], optimizer._velocities[index]
    if {v.dtype for v in (variable, *slots)} != {"float32"}:
        return None
    return tuple(slot.value for slot in slots)


def apply_adam(variable, slots, gradient, arguments):
    """Updates a variable and its slots in place."""
    momentum, velocity = slots
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        grad=tf.cast(gradient, "float32"),
        **arguments,
    )
