"""Keeps a model's values where a loop of Keras under JAX ends with an error."""


class KeptState:
    """The values of a model that a loop of Keras under JAX passes on.

    While `fit`, `evaluate` or `predict` runs there, the variables are empty:
    their values go from step to step. An error, such as that of an id outside
    the vocabulary in a dataset, would leave a model without weights. This
    assigns to the variables what the last complete step has returned.
    """

    def __init__(self, model):
        self._model = model
        self._state = None

    def updated_by(self, step_function):
        """Make one step note the state that it returns."""

        def step(state, data):
            results, self._state = step_function(state, data)
            return results, self._state

        return step

    def given_back_by(self, execution):
        """Make a few steps give the variables their values at an error."""

        def execute(state, iterator):
            self._state = state
            try:
                return execution(state, iterator)
            except BaseException as error:  # Ctrl-C as well.
                _give_back(self._model, self._state, error)
                raise
            finally:
                self._state = None

        return execute


def _give_back(model, state, error):
    """Assign a state to the variables that Keras has emptied."""
    pairs = _pairs(model, state)
    for variable, value in pairs:
        if not value.is_deleted():
            variable.assign(value)
    # Else Keras would assign its own state, of an earlier step, over whatever
    # the variables get from now on: only `fit` forgets it after an error.
    model._jax_state = None
    model._jax_state_synced = True
    gone = sum(value.is_deleted() for _, value in pairs)
    if gone:
        raise RuntimeError(
            "A step that has taken the memory of the values must end. "
            f"Received: {type(error).__name__}, which left {gone} of "
            f"{len(pairs)} variables without a value. Make the model anew, and "
            "restore its last checkpoint."
        ) from error


def _pairs(model, state):
    """Pairs of variable and value."""
    trainable, non_trainable, *others = state
    pairs = [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, non_trainable, strict=True),
    ]
    if len(others) == 2:
        pairs += zip(model.optimizer.variables, others[0], strict=True)
    if others:
        pairs += zip(model.metrics_variables, others[-1], strict=True)
    return pairs
