"""Recognizes that a model has other variables than when it was traced."""


class TracedVariables:
    """Remembers the variables that graphs were traced with.

    A model that was quantized or given adapters has other ones: an old graph
    would go on with the weights that it was traced with.

    Example:

    ```python
    import keras
    from keras_gpt3.models.traced_variables import TracedVariables

    traced, variable = TracedVariables(), keras.Variable(1.0)
    traced.have_changed([variable])  # True, the first time.
    traced.have_changed([variable])  # False
    ```
    """

    def __init__(self):
        self._variables = None

    def have_changed(self, variables):
        """Compares variables with those of the last call, and remembers them.

        Args:
            variables: list of `keras.Variable`.

        Returns:
            A bool: whether any is not the one it was.
        """
        before = self._variables
        self._variables = list(variables)
        return (
            before is None
            or len(before) != len(variables)
            or any(a is not b for a, b in zip(before, variables, strict=True))
        )
