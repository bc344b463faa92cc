"""The arrays that a run's state consists of: out of a model and back."""

import keras
import numpy as np


def model_arrays(model):
    """Copies everything that a step changes to the host.

    Weights, what is not trained, the optimizer's slots and counters, and the
    states of seed generators, which `tf.train.Checkpoint` leaves out: with
    dropout a resumed run would go another way. Metrics start anew.
    """
    # A copy: on a CPU an array may share the variable's memory.
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in _variables(model).items()
    }


def assign_arrays(model, arrays):
    """Puts saved arrays back into a model, on all replicas.

    Nothing is assigned unless all of them fit.
    """
    variables = _variables(model)
    if set(variables) != set(arrays):
        names = sorted(set(variables) ^ set(arrays))
        raise ValueError(
            "A checkpoint must hold the arrays of its model. Received: "
            f"{len(names)} arrays that one of them lacks, such as {names[0]}. "
            "Resume with the model and optimizer of the run."
        )
    for name, variable in variables.items():
        shape, array = tuple(variable.shape), arrays[name]
        if array.shape != shape:
            raise ValueError(
                "A checkpoint must hold the shapes of its model. Received: "
                f"{name} of shape {array.shape}, where the model has {shape}. "
                "Resume with the model of the run."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(model):
    """A dict of name to variable, each once; with seeds, without metrics."""
    named, seen = {}, set()
    for part, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            # `variables` counts a generator that two layers share twice.
            if id(variable) not in seen:
                seen.add(id(variable))
                named[f"{part}/{index:05d}"] = variable
    return named
