"""Options as scalars and vectors, and their errors, inside a graph."""

import inspect
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export import per_row_options
from keras_gpt3.export.per_row_options import draw_rows
from keras_gpt3.generation.prompt_messages import TOP_K
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.graph_assertion import one_line_errors

# === Per row options ===


ROWS = 3


def in_graph(function, option, dtype):
    """Runs a function of an option of unknown rank, as a signature would."""
    spec = [tf.TensorSpec(None, dtype)]
    traced = tf.function(function, input_signature=spec, autograph=False)
    with one_line_errors():
        return traced(tf.constant(option, dtype)).numpy().tolist()


def rows_of(option, dtype="int32"):
    def function(option):
        return per_row_options.option_rows("seed", option, ROWS)

    return in_graph(function, option, dtype)


@pytest.mark.parametrize(
    ("option", "rows"),
    [(7, [7, 7, 7]), ([7], [7, 7, 7]), ([1, 2, 3], [1, 2, 3])],
)
def test_an_option_becomes_one_for_each_row(option, rows):
    assert rows_of(option) == rows


def test_strings_are_options_too():
    assert rows_of("left", "string") == [b"left"] * ROWS


@pytest.mark.parametrize(
    ("option", "shape"),
    [([1, 2], "2"), ([], "0"), ([[1, 2, 3]], "1, 3"), ([[1]], "1, 1")],
)
def test_any_other_number_of_them_is_refused(option, shape):
    message = (
        "seed must be one for all rows, or one for each. Received: shape="
        f"[{shape}]. Pass a single value, or as many as there are texts."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of(option)


@pytest.mark.parametrize("name", ["temperature", "top_p"])
@pytest.mark.parametrize(
    "value",
    [
        *[-1, -0.5, 0, 0.25, 1, 1.5, np.nan, np.inf, -np.inf],
        *[-0.123456702, -1e-9, -123456789.0, 1.2345678, -2.5e30],
    ],
)
def test_a_number_is_refused_where_python_refuses_it(name, value):
    def check(option):
        return per_row_options.number_rows(name, option, ROWS)

    def refusal(function, *arguments):
        try:
            function(*arguments)
        except ValueError as error:
            return str(error)

    expected = refusal(check_sampling_number, name, value)
    assert refusal(in_graph, check, value, "float32") == expected


def test_the_first_wrong_row_is_named():
    def check(option):
        return per_row_options.integer_rows("top_k", option, ROWS, 0, TOP_K)

    assert in_graph(check, [5, 0, 7], "int32") == [5, 0, 7]
    message = "-2".join(TOP_K)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        in_graph(check, [5, -2, -3], "int32")


def test_only_left_truncates():
    def truncates(option):
        return per_row_options.truncates_left(option, ROWS)

    received = in_graph(truncates, ["left", "", "left"], "string")
    assert received == [True, False, True]
    message = (
        "truncate must be left, or left out. Received: truncate=right. Use "
        "left to drop the first tokens of a long prompt."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        in_graph(truncates, "right", "string")


def test_defaults_are_single_rows_of_the_dtypes_that_signatures_take():
    defaults = per_row_options.option_defaults()
    prompts = tf.TensorSpec((None,), tf.string, name="prompts")
    call, specs = per_row_options.endpoint(dict, [prompts], *defaults)
    assert specs[0] is prompts
    taken = inspect.signature(call).parameters
    assert taken["prompts"].default is inspect.Parameter.empty
    for spec in specs[1:]:
        default = taken[spec.name].default
        assert spec.dtype == default.dtype
        assert spec.shape.rank is None
        # TensorFlow Serving adds the rows of one request to those of others.
        assert default.shape[0] == 1
    assert call(*range(len(specs)))["temperature"] == 2


# === Row choice ===


# A row of a batch, each with its own settings, against the row alone.


CHOOSE = tf.function(choose_token, autograph=False)


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
