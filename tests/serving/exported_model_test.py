import json
import re
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.serving.batching import join_arrays
from keras_gpt3.serving.exported_model import Signature
from keras_gpt3.serving.predict_request import parse_predict
from keras_gpt3.serving.server_settings import ServerSettings
from tests.serving.conftest import CONTEXT
from tests.small_gpt3 import small_text_model

# === Exported model ===


def call_generate(model, **changes):
    inputs = dict(model.signatures["generate"].defaults)
    inputs |= {"prompts": np.array([b"a"], object), "max_new_tokens": 3}
    return model.call("generate", inputs | changes)


def test_what_no_signature_says_is_in_the_export(model):
    assert model.context == CONTEXT
    ids = np.arange(small_text_model().backbone.vocabulary_size)
    tokens = {"token_ids": ids[:, None], "lengths": np.ones(len(ids), "int32")}
    texts = model.call("detokenize", tokens)["texts"]
    assert model.max_text_bytes == CONTEXT * max(map(len, texts))


def test_options_may_be_left_out_and_inputs_may_not(model):
    signature = model.signatures["generate"]
    assert signature.required == ("prompts",)
    assert signature.defaults["max_new_tokens"].tolist() == [64]
    assert model.signatures["score"].required == ("contexts", "continuations")


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"temperature": -1.0},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
    ],
)
def test_a_refusal_is_one_sentence(model, changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call_generate(model, **changes)


def test_what_tensorflow_refuses_is_one_sentence(model):
    # Caches of another shape than the layers'.
    inputs = {"token_ids": np.zeros((1, 3)), "index": 1, "end": 3}
    inputs |= {
        name: np.zeros([size or 1 for size in spec.shape])
        for name, spec in model.signatures["extend"].inputs.items()
        if spec.shape.rank == 5
    }
    inputs["dense_values"] = np.zeros((1, 1, 2, 9, 8))
    inputs["dense_keys"] = np.zeros((1, 1, 2, 3, 8))
    inputs |= model.signatures["extend"].defaults
    with pytest.raises(
        ValueError, match="^Inputs must be such as extend takes. Received: "
    ) as error:
        model.call("extend", inputs)
    assert str(error.value).endswith(". See the metadata for its inputs.")
    assert "\n" not in str(error.value)


def test_definitions_are_tensorflow_servings(model):
    tokenize = model.definitions()["tokenize"]
    (text,) = tokenize["inputs"].values()
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert tokenize["method_name"] == "tensorflow/serving/predict"
    assert set(tokenize["outputs"]) == {"token_ids", "lengths"}


def test_the_default_signature_needs_no_options(model, alone):
    default = model._loaded.signatures["serving_default"]
    answers = [
        default(prompts=tf.constant(["the cat"]), max_new_tokens=tf.constant(5))
        for _ in range(2)
    ]
    expected = alone("the cat", max_new_tokens=5)
    for answer in answers:
        assert answer["num_prompt_tokens"] == expected["num_prompt_tokens"]
    assert answers[0]["texts"] != answers[1]["texts"]
    assert model.signatures["serving_default"].required == ("prompts",)


# === Request layout ===


# Rows and columns, and what is wrong with their form.


TEXTS = tf.TensorSpec((None,), tf.string)
SIGNATURES = {
    "generate": Signature(
        {
            "prompts": TEXTS,
            "seed": tf.TensorSpec(None, tf.int32),
            "stop": tf.TensorSpec(None, tf.string),
        },
        {"texts": TEXTS},
        defaults={"seed": np.array([7]), "stop": np.array([[b""]], object)},
    ),
    "score": Signature({"contexts": TEXTS, "continuations": TEXTS}, {}, {}),
    "tokenize": Signature(
        {"texts": TEXTS}, {"token_ids": tf.TensorSpec((None, None))}, {}
    ),
}


def arrays(name="generate", **form):
    body = json.dumps({"signature_name": name} | form).encode()
    model = types.SimpleNamespace(signatures=SIGNATURES)
    parsed = parse_predict(body, model, ServerSettings())
    return {key: array.tolist() for key, array in parsed.arrays.items()}


@pytest.mark.parametrize(
    "inputs, seeds, stops",
    [
        (["a", "b"], [7, 7], [[], []]),
        (
            {"prompts": ["a", "b"], "seed": 1, "stop": ["x", "y"]},
            [1, 1],
            [[b"x", b"y"], [b"x", b"y"]],
        ),
        (
            {"prompts": ["a", "b"], "seed": [1, 2], "stop": [["x"], ["y", ""]]},
            [1, 2],
            [[b"x"], [b"y"]],
        ),
        ({"prompts": ["a", "b"], "stop": "x"}, [7, 7], [[b"x"], [b"x"]]),
    ],
)
def test_options_are_for_all_rows_of_columns_or_for_each(inputs, seeds, stops):
    assert arrays(inputs=inputs) == {
        "prompts": [b"a", b"b"],
        "seed": seeds,
        "stop": stops,
    }


def test_rows_may_differ_in_their_options_and_be_plain():
    instances = [
        "a",
        {"b64": "YQ=="},
        {"prompts": "b", "stop": ["x", "", "yz"]},
        {"prompts": "c", "seed": 3, "stop": "x"},
    ]
    assert arrays(instances=instances) == {
        "prompts": [b"a", b"a", b"b", b"c"],
        "seed": [7, 7, 7, 3],
        # Filled up with what means none.
        "stop": [[b"", b""], [b"", b""], [b"x", b"yz"], [b"x", b""]],
    }


def test_requests_are_joined_row_behind_row():
    requests = [
        {"contexts": np.array(["x", "y"], object), "truncate": np.zeros(2)},
        {"contexts": np.array(["z"], object), "truncate": np.ones(1)},
    ]
    joined = join_arrays(requests)
    assert joined["contexts"].tolist() == ["x", "y", "z"]
    assert joined["truncate"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "form, value, name, message",
    [
        (
            "instances",
            [],
            "generate",
            "instances must be a list of at least one row. Received: a list of "
            "0. Pass one object for each row.",
        ),
        (
            "instances",
            "a",
            "generate",
            "instances must be a list of at least one row. Received: str.",
        ),
        (
            "instances",
            ["a"],
            "score",
            "A row of score must be an object with contexts, continuations. "
            "Received: str. Name each input.",
        ),
        (
            "instances",
            [{"contexts": "a"}],
            "score",
            "score must have contexts, continuations. Received: no "
            "continuations. Add what is missing.",
        ),
        (
            "inputs",
            ["a"],
            "score",
            "inputs of score must be an object with contexts, continuations. "
            "Received: a list of 1. Name each input.",
        ),
        (
            "inputs",
            {"seed": 1},
            "generate",
            "generate must have prompts. Received: no prompts. Add what is "
            "missing.",
        ),
        (
            "inputs",
            {"prompts": ["a"], "sead": 1},
            "generate",
            "Inputs of generate must be among prompts, seed, stop. Received: "
            "sead. Check the spelling.",
        ),
        (
            "inputs",
            {"prompts": "a"},
            "generate",
            "prompts must be a list of at least one string. Received: str. "
            "Pass one string for each row.",
        ),
        (
            "inputs",
            {"prompts": []},
            "generate",
            "prompts must be a list of at least one string. Received: a list "
            "of 0.",
        ),
        (
            "inputs",
            {"prompts": ["a", "b"], "seed": [1]},
            "generate",
            "seed must be one value, or one for each of the 2 rows. Received: "
            "1 values. Pass as many as there are rows.",
        ),
        (
            "inputs",
            {"prompts": ["a", "b"], "stop": [["x"]]},
            "generate",
            "stop must be one value, or one for each of the 2 rows.",
        ),
        (
            "inputs",
            {"prompts": ["a"], "stop": ["x", ""]},
            "generate",
            "stop must be a string or a list of strings, none of them empty.",
        ),
        (
            "inputs",
            "a",
            "tokenize",
            "texts must have the shape (None,). Received: texts.shape=(). "
            "Change its number of dimensions.",
        ),
    ],
)
def test_a_wrong_form_is_one_sentence(form, value, name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        arrays(name, **{form: value})
