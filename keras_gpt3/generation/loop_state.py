"""Variables that a loop's body assigns to, on backends without state."""

import keras


def loop_variables(variables):
    """Which variables have to go round a loop with its tensors.

    TensorFlow's loops assign to variables as they run. What a body assigns on
    JAX is gone behind the loop, if it does not come out of it.

    Args:
        variables: list of `keras.Variable` that the body assigns to.

    Returns:
        A list: all of them, or none.

    Example:

    ```python
    import keras
    from keras_gpt3.generation.loop_state import loop_variables

    seed = keras.random.SeedGenerator(7)
    loop_variables([seed.state])  # [] on TensorFlow, the variable on JAX
    ```
    """
    return [] if keras.config.backend() == "tensorflow" else list(variables)


def without_state(function, variables):
    """Makes a function take and return the variables that it assigns to.

    Args:
        function: callable. It may use no other variables.
        variables: list of `keras.Variable`.

    Returns:
        A callable of a tuple of values and of the arguments of `function`. It
        returns what `function` does, and the new values.

    Example:

    ```python
    import keras
    from keras_gpt3.generation.loop_state import without_state

    seed = keras.random.SeedGenerator(7)
    draw = without_state(
        lambda: keras.random.uniform((2,), seed=seed), [seed.state]
    )
    first, values = draw((seed.state.value,))
    second, values = draw(values)  # Two other numbers.
    ```
    """
    if not variables:
        return lambda values, *args: (function(*args), values)

    def stateless(values, *args):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            result = function(*args)
        return result, tuple(scope.get_current_value(v) for v in variables)

    return stateless
