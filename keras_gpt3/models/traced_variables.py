"""Recognizes that a model has other variables than when it was traced."""


class TracedVariables:
    """Remembers the variables that graphs were traced with.

    A model that was quantized or given adapters has other ones: an old graph
    would go on with the weights that it was traced with.
    """

    def __init__(self):
        self._variables = None

    def have_changed(self, variables):
        """Compares variables with those of the last call, and remembers
        them.
        """
        before = self._variables
        self._variables = list(variables)
        return (
            before is None
            or len(before) != len(variables)
            or any(a is not b for a, b in zip(before, variables, strict=True))
        )
