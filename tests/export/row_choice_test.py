"""Against `choose_token`, which draws for every row."""

import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.per_row_options import choose_for_rows
from keras_gpt3.export.per_row_options import draw_rows
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.graph_assertion import one_line_errors

CHOOSE = tf.function(choose_for_rows, autograph=False)


@pytest.mark.parametrize("temperature", [[0, 0, 0], [1, 0, 2], [2, 2, 2]])
@pytest.mark.parametrize("seed", [[5, 5, 5], [5, 6, 7]])
def test_rows_get_what_choose_token_gives_each_alone(temperature, seed):
    logits = np.random.default_rng(0).normal(size=(3, 50)).astype("float32")
    settings = {
        "temperature": np.array(temperature, "float32"),
        "top_k": np.array([0, 7, 20], "int32"),
        "top_p": np.array([0.9, 1.0, 0.5], "float32"),
        "seed": np.array(seed, "int32"),
    }
    for index in range(1, 6):
        tensors = {name: tf.constant(x) for name, x in settings.items()}
        received = CHOOSE(tf.constant(logits), tf.constant(index), **tensors)
        for row in range(3):
            alone = {name: x[row].item() for name, x in settings.items()}
            expected = choose_token(logits[row : row + 1], index, **alone)
            assert received[row] == int(expected[0])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "temperature",
            np.nan,
            "temperature must be a finite number of at least 0. Received: "
            "temperature=nan. Use 0 for greedy decoding.",
        ),
        (
            "top_p",
            0.0,
            "top_p must be a finite number above 0 and at most 1. Received: "
            "top_p=0. Use 1.0 to draw among all tokens.",
        ),
        (
            "top_k",
            -1,
            "top_k must be an integer of at least 0. Received: top_k=-1. Pass "
            "0 or more.",
        ),
        (
            "seed",
            [1, 2],
            "seed must be one for all rows, or one for each. Received: shape="
            "[2]. Pass a single value, or as many as there are texts.",
        ),
    ],
)
def test_wrong_settings_are_refused(name, value, message):
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    settings = {
        k: tf.constant(v) for k, v in (settings | {name: value}).items()
    }
    specs = {k: tf.TensorSpec(None, v.dtype) for k, v in settings.items()}
    run = tf.function(lambda settings: draw_rows(settings, 3), [specs])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with one_line_errors():
            run(settings)
