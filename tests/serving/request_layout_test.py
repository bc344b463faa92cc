import re

import pytest
import tensorflow as tf

from keras_gpt3.serving.exported_model import Signature
from keras_gpt3.serving.predict_request import columns_of_request
from keras_gpt3.serving.predict_request import rows_of_columns
from keras_gpt3.serving.predict_request import rows_of_instances

GENERATE = Signature(
    {
        name: tf.TensorSpec(None, tf.string)
        for name in ("prompts", "stop", "seed")
    },
    {},
    defaults={"stop": None, "seed": None},
)
SCORE = Signature(
    {n: tf.TensorSpec(None, tf.string) for n in ("contexts", "continuations")},
    {},
    {},
)


@pytest.mark.parametrize(
    "inputs, rows",
    [
        (["a", "b"], [{"prompts": "a"}, {"prompts": "b"}]),
        (
            {"prompts": ["a", "b"], "seed": 1, "stop": ["x", "y"]},
            [
                {"prompts": "a", "seed": 1, "stop": ["x", "y"]},
                {"prompts": "b", "seed": 1, "stop": ["x", "y"]},
            ],
        ),
        (
            {"prompts": ["a", "b"], "seed": [1, 2], "stop": [["x"], ["y", ""]]},
            [
                {"prompts": "a", "seed": 1, "stop": ["x"]},
                {"prompts": "b", "seed": 2, "stop": ["y"]},
            ],
        ),
        # Not padding: it is left for the check to refuse.
        (
            {"prompts": ["a"], "stop": ["x", ""]},
            [{"prompts": "a", "stop": ["x", ""]}],
        ),
        (
            {"prompts": ["a"], "stop": "x"},
            [{"prompts": "a", "stop": "x"}],
        ),
    ],
)
def test_columns_become_rows(inputs, rows):
    assert rows_of_columns(inputs, "generate", GENERATE) == rows


def test_rows_may_differ_in_their_options_and_be_plain():
    instances = [
        "a",
        {"b64": "YQ=="},
        {"prompts": "b", "stop": ["x", ""]},
    ]
    assert rows_of_instances(instances, "generate", GENERATE) == [
        {"prompts": "a"},
        {"prompts": {"b64": "YQ=="}},
        {"prompts": "b", "stop": ["x"]},
    ]


def test_rows_become_columns():
    request = {"instances": [{"prompts": [1]}, {"prompts": [2]}]}
    columns = columns_of_request(request, "generate", GENERATE)
    assert columns == {"prompts": [[1], [2]]}
    request = {"inputs": {"prompts": [[1], [2]]}}
    assert columns_of_request(request, "generate", GENERATE) == columns


@pytest.mark.parametrize(
    "form, value, signature, message",
    [
        (
            rows_of_instances,
            [],
            GENERATE,
            "instances must be a list of at least one row. Received: a list of "
            "0. Pass one object for each row.",
        ),
        (
            rows_of_instances,
            "a",
            GENERATE,
            "instances must be a list of at least one row. Received: str.",
        ),
        (
            rows_of_instances,
            ["a"],
            SCORE,
            "A row of score must be an object with contexts, continuations. "
            "Received: str. Name each input.",
        ),
        (
            rows_of_instances,
            [{"contexts": "a"}],
            SCORE,
            "score needs contexts, continuations. Received: no continuations. "
            "Add what is missing.",
        ),
        (
            rows_of_columns,
            ["a"],
            SCORE,
            "inputs of score must be an object with contexts, continuations. "
            "Received: a list of 1. Name each input.",
        ),
        (
            rows_of_columns,
            {"seed": 1},
            GENERATE,
            "score needs prompts. Received: no prompts. Add what is missing.",
        ),
        (
            rows_of_columns,
            {"prompts": ["a"], "sead": 1},
            GENERATE,
            "Inputs of score must be among prompts, seed, stop. Received: "
            "sead. Check the spelling.",
        ),
        (
            rows_of_columns,
            {"prompts": "a"},
            GENERATE,
            "prompts must be a list of at least one string. Received: str. "
            "Pass one string for each row.",
        ),
        (
            rows_of_columns,
            {"prompts": []},
            GENERATE,
            "prompts must be a list of at least one string. Received: a list "
            "of 0.",
        ),
        (
            rows_of_columns,
            {"prompts": ["a", "b"], "seed": [1]},
            GENERATE,
            "seed must be one value, or one for each of the 2 rows. Received: "
            "1 values. Pass as many as there are rows.",
        ),
        (
            rows_of_columns,
            {"prompts": ["a", "b"], "stop": [["x"]]},
            GENERATE,
            "stop must be one value, or one for each of the 2 rows.",
        ),
        (
            columns_of_request,
            {"instances": [{"prompts": 1, "seed": 1}, {"prompts": 1}]},
            GENERATE,
            "All rows of score must have the same inputs. Received: a row "
            "without seed. Add it.",
        ),
    ],
)
def test_a_wrong_form_is_one_sentence(form, value, signature, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        form(value, "score", signature)
