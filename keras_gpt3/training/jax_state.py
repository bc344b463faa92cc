"""A model's variables and their values in a step of JAX. JAX only."""

import keras

from keras_gpt3.parallel.variable_layouts import bring_together


def state_scope(model, trainable, non_trainable):
    """A scope in which a model's variables have given values.

    A weight that is spread over the data axis of a mesh is brought together
    each time that it is read, so that a block which runs once more for the
    backward pass brings it together once more, and nobody keeps it.
    """
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    values = [*trainable, *non_trainable]
    return _WholeWeights(
        state_mapping=list(zip(variables, values, strict=True))
    )


class _WholeWeights(keras.StatelessScope):
    """A scope whose values are whole on the devices of a part of the batch."""

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        return None if value is None else bring_together(value, variable)


def seed_places(model):
    """Where the states of the seeds of dropout are."""
    return [
        place
        for place, variable in enumerate(model.non_trainable_variables)
        if variable.name == "seed_generator_state"
    ]
