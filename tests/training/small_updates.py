"""Two variables, gradients for them, and updates on one or two replicas."""

import keras
import numpy as np
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training.step.apply_gradients import apply_gradients


def make_variables(dtype="float32"):
    """A matrix, and one that may not fall below 0, as updates make it do."""
    values = np.random.default_rng(0).normal(size=(3, 2))
    kernel = keras.Variable(values, dtype=dtype, name="kernel")
    bias = keras.Variable(np.zeros((3, 2)), dtype=dtype, name="bias")
    bias.constraint = keras.constraints.NonNeg()
    return [kernel, bias]


def make_gradients(step, share=0, dtype="float32"):
    """Random gradients of a norm near 3.5; 100 times smaller in step 1."""
    generator = np.random.default_rng([step, share])
    scale = 0.01 if step == 1 else 1.0
    return [
        tf.cast(scale * generator.normal(size=(3, 2)), dtype) for _ in range(2)
    ]


def states(optimizer, variables):
    """The values of the variables and of the optimizer's, by name."""
    everything = [*variables, *optimizer.variables]
    return {f"{n} {v.path}": v.numpy() for n, v in enumerate(everything)}


def assert_same_by_norm(received, expected, tolerance):
    """Each array of two lists differs by at most a part of its norm."""
    pairs = zip(received.items(), expected.values(), strict=True)
    for name, (value, target) in ((n, (v, t)) for (n, v), t in pairs):
        value, target = value.astype("float64"), target.astype("float64")
        difference = np.linalg.norm(value - target)
        assert difference <= tolerance * np.linalg.norm(target), name


def two_replicas(make_optimizer, dtype="float32"):
    """An optimizer and variables on two replicas.

    Returns:
        The optimizer, the variables, and a function which applies two lists of
        gradients, one of each replica.
    """
    strategy = mirrored_strategy(2)
    with strategy.scope():
        variables, optimizer = make_variables(dtype), make_optimizer()
        optimizer.build(variables)

    @tf.function(autograph=False)
    def run(*shares):
        def replica():
            context = tf.distribute.get_replica_context()
            index = context.replica_id_in_sync_group
            gradients = [
                tf.stack(pair)[index] for pair in zip(*shares, strict=True)
            ]
            apply_gradients(optimizer, gradients, variables)

        strategy.run(replica)

    return optimizer, variables, run


def on_each_replica(variable):
    """The values of a mirrored variable."""
    return [part.numpy() for part in variable.value.values]
