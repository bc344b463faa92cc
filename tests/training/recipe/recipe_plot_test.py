import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_gpt3.training import PretrainingRecipe
from keras_gpt3.training.recipe.pretraining_recipe import recipe_plot

GROWING = PretrainingRecipe(
    batch_tokens=640,
    learning_rate=1e-3,
    total_tokens=9_999,
    start_batch_tokens=80,
    ramp_tokens=3_000,
    sequence_length=10,
)
CONSTANT = PretrainingRecipe(100, 1e-3, total_tokens=5_000)


@pytest.mark.parametrize("recipe", [GROWING, CONSTANT])
def test_panels_hold_every_update_of_a_short_run(recipe):
    figure = recipe_plot(recipe)
    assert type(figure) is Figure
    points = [recipe.at(step) for step in range(recipe.num_steps)]
    seen = [point.tokens_seen + point.batch_tokens for point in points]
    expected = {
        "Learning rate": [point.learning_rate for point in points],
        "Batch size (tokens)": [point.batch_tokens for point in points],
        "Updates": range(1, recipe.num_steps + 1),
    }
    assert [axis.get_ylabel() for axis in figure.axes] == list(expected)
    for axis, values in zip(figure.axes, expected.values(), strict=True):
        (line,) = axis.get_lines()
        np.testing.assert_array_equal(line.get_xdata(), seen)
        # Float32: an exponential of many steps may round otherwise than of one.
        np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-6)
    assert figure.axes[-1].get_xlabel() == "Tokens seen"


def test_a_long_run_is_drawn_from_its_first_update_to_its_last():
    recipe = PretrainingRecipe.for_preset("gpt3_175b_en")
    (line,) = recipe_plot(recipe).axes[-1].get_lines()
    updates = line.get_ydata()
    assert updates[0] == 1
    assert updates[-1] == recipe.num_steps
    assert (np.diff(updates) > 0).all()
    assert len(updates) <= 2000


def test_a_run_of_one_update_is_drawn(tmp_path):
    recipe = PretrainingRecipe(100, 1e-3, total_tokens=100)
    recipe_plot(recipe, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_leaves_no_state_behind(tmp_path, monkeypatch):
    # An import of pyplot would fail.
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    recipe_plot(CONSTANT, tmp_path / "recipe.svg")
    assert b"<svg" in (tmp_path / "recipe.svg").read_bytes()
