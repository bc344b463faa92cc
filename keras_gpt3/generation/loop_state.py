"""Variables that a loop's body assigns to, on backends without state."""

import keras


def loop_variables(variables):
    """Which variables have to go round a loop with its tensors.

    TensorFlow's loops assign to variables as they run. What a body assigns on
    JAX is gone behind the loop, if it does not come out of it.
    """
    return [] if keras.config.backend() == "tensorflow" else list(variables)


def without_state(function, variables):
    """Makes a function take and return the variables that it assigns to."""
    if not variables:
        return lambda values, *args: (function(*args), values)

    def stateless(values, *args):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            result = function(*args)
        return result, tuple(scope.get_current_value(v) for v in variables)

    return stateless
