"""Keeps a model's weights where `fit` under JAX ends with an error."""


def keep_state(model, step_function):
    """Makes a function that Keras' loops call give back what it was given.

    While a loop of Keras under JAX runs, the variables are empty: their values
    go from step to step. An error before the first step is done, such as that
    of an id outside the vocabulary in a dataset, would leave a model without
    weights.

    Args:
        model: a compiled `keras.Model`, under JAX.
        step_function: callable. Takes a state, a tuple of the values of the
            trainable variables, the others and, to train, the optimizer's,
            then the metrics', and an iterator of batches.

    Returns:
        A callable that does the same, and assigns the state to the variables
        before it passes on an error.

    Example:

    ```python
    import keras
    from keras_gpt3.models.kept_state import keep_state

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    model.make_test_function()
    model.test_function = keep_state(model, model.test_function)
    ```
    """

    def step_or_give_back(state, iterator):
        try:
            return step_function(state, iterator)
        except BaseException:  # Ctrl-C, too.
            _give_back(model, state)
            raise

    return step_or_give_back


def _give_back(model, state):
    """Assigns a state to the variables that Keras has emptied."""
    trainable, non_trainable, *others = state
    pairs = [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, non_trainable, strict=True),
    ]
    if len(others) == 2:
        pairs += zip(model.optimizer.variables, others[0], strict=True)
    if others:
        pairs += zip(model.metrics_variables, others[-1], strict=True)
    for variable, value in pairs:
        # A step that began has handed its memory to the results.
        if not value.is_deleted():
            variable.assign(value)
