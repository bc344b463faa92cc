import dataclasses

from keras_gpt3.training.recipe.pretraining_config import RecipeSection
from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe
from tests.section_checks import check_minimum


def test_a_multiple_is_at_least_1():
    check_minimum(RecipeSection, "recipe.batch_multiple", 1)


def test_the_fields_are_those_of_pretraining_recipe():
    """All but the length of a context, which the data section has."""
    ours = {field.name for field in dataclasses.fields(RecipeSection)}
    theirs = {field.name for field in dataclasses.fields(PretrainingRecipe)}
    assert theirs - ours == {"sequence_length"}
    assert ours <= theirs
