import dataclasses

import pytest

from keras_gpt3.training.recipe.pretraining_recipe import RecipePoint


def test_a_point_cannot_be_changed():
    point = RecipePoint(tokens_seen=2, batch_tokens=1, learning_rate=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.tokens_seen = 3
