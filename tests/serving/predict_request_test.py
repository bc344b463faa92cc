import json
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.serving.exported_model import Signature
from keras_gpt3.serving.predict_request import PredictRequest
from keras_gpt3.serving.predict_request import parse_predict
from keras_gpt3.serving.request_limits import least_values
from keras_gpt3.serving.request_limits import new_tokens
from keras_gpt3.serving.server_settings import ServerSettings

SETTINGS = ServerSettings(max_batch_size=3, max_new_tokens=50)


def parse(model, **request):
    return parse_predict(json.dumps(request).encode(), model, SETTINGS)


@pytest.mark.parametrize("name", [None, "", "serving_default", "generate"])
def test_generate_is_what_is_meant_by_default(model, name):
    request = {} if name is None else {"signature_name": name}
    parsed = parse(model, inputs=["a"], **request)
    assert parsed.signature_name == "generate"
    assert {k: v.tolist() for k, v in parsed.arrays.items()} == {
        "prompts": [b"a"],
        # The server's limit, which is below the signature's default.
        "max_new_tokens": [50],
        "temperature": [1.0],
        "top_k": [0],
        "top_p": [1.0],
        "seed": [-1],
        "truncate": [b""],
        "stop": [[]],
    }


def test_other_signatures_take_arrays_in_both_forms(model):
    rows = parse(model, signature_name="logits", instances=[[1, 2], [3, 4]])
    columns = parse(model, signature_name="logits", inputs=[[1, 2], [3, 4]])
    for request in (rows, columns):
        assert request.arrays["token_ids"].tolist() == [[1, 2], [3, 4]]
        assert request.arrays["token_ids"].dtype == "int32"
        assert request.num_rows == 2
    assert (rows.is_row_form, columns.is_row_form) == (True, False)


@pytest.mark.parametrize(
    "request_body, message",
    [
        (
            {},
            "The body must have one of instances and inputs. Received: "
            "neither. Put rows under instances, columns under inputs.",
        ),
        (
            {"inputs": ["a"], "instances": ["a"]},
            "The body must have one of instances and inputs. Received: both.",
        ),
        (
            {"inputs": ["a"], "signature_name": "generation"},
            "signature_name must be among detokenize, extend, generate, ",
        ),
        (
            {"inputs": ["a"], "signature_name": 3},
            "signature_name must be among",
        ),
        (
            {"inputs": ["a"], "signature_name": ["generate"]},
            "signature_name must be among",
        ),
        (
            {"inputs": ["a"] * 4},
            "A request must have at most 3 rows. Received: rows=4. Split it, "
            "or start the server with a higher --max-batch-size.",
        ),
        (
            {"inputs": [[1]] * 4, "signature_name": "logits"},
            "A request must have at most 3 rows. Received: rows=4.",
        ),
        (
            {"instances": ["a", "a"], "temperature": 1.0},
            "The body's keys must be among signature_name, instances, inputs. "
            "Received: temperature. Check the spelling.",
        ),
    ],
)
def test_a_wrong_request_is_one_sentence(model, request_body, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse(model, **request_body)


def answer(request, outputs, max_values=6):
    return request.answer(outputs, max_values)


def test_answers_have_the_form_of_the_request():
    rows = PredictRequest("x", is_row_form=True, num_rows=2)
    columns = PredictRequest("x", is_row_form=False, num_rows=2)
    y, n = np.array([[1, 2], [3, 4]]), np.array([True, False])
    assert answer(rows, {"y": y}) == {"predictions": [[1, 2], [3, 4]]}
    assert answer(rows, {"y": y, "n": n}) == {
        "predictions": [{"y": [1, 2], "n": True}, {"y": [3, 4], "n": False}]
    }
    assert answer(columns, {"y": y}) == {"outputs": [[1, 2], [3, 4]]}
    assert answer(columns, {"y": y, "n": n}) == {
        "outputs": {"y": [[1, 2], [3, 4]], "n": [True, False]}
    }


def test_an_output_that_is_not_by_row_has_no_row_form():
    request = PredictRequest("x", is_row_form=True, num_rows=2)
    message = (
        "The row form must give one value a row of each output. Received: "
        "index.shape=(). Send inputs in place of instances."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        answer(request, {"index": np.array(3)})


@pytest.mark.parametrize("is_row_form", [True, False])
def test_an_answer_of_too_many_values_is_refused(is_row_form):
    request = PredictRequest("x", is_row_form=is_row_form, num_rows=2)
    message = (
        "An answer must have at most 5 values. Received: values=6. Send fewer "
        "or shorter rows, or start the server with a higher "
        "--max-answer-values."
    )
    outputs = {"y": np.zeros((2, 2)), "n": np.zeros(2)}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        answer(request, outputs, max_values=5)


@pytest.mark.parametrize("where", ["instances", "inputs"])
@pytest.mark.parametrize(
    "stop, message",
    [
        (
            ["a"] * 17,
            "stop must have at most 16 strings on this server. Received: "
            "strings=17. Leave some out, or start it with a higher "
            "--max-stop-strings.",
        ),
        (
            ["a", "é" * 129],
            "A stop string must have at most 256 bytes on this server. "
            "Received: bytes=258. Shorten it, or start the server with a "
            "higher --max-stop-bytes.",
        ),
    ],
)
def test_stop_strings_have_limits(model, where, stop, message):
    row = {"prompts": "a", "stop": stop}
    rows = [row] if where == "instances" else row | {"prompts": ["a"]}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(model, **{where: rows})


def test_stop_strings_up_to_the_limits_are_taken(model):
    stop = ["é" * 128] * 16
    parsed = parse(model, instances=[{"prompts": "a", "stop": stop}])
    assert parsed.arrays["stop"].shape == (1, 16)


@pytest.mark.parametrize(
    "option, output, answer",
    [(None, 1, True), (0, 1, False), (None, 2, False)],
)
def test_rows_share_a_batch_where_each_has_its_options_and_answer(
    option, output, answer
):
    inputs = {
        "prompts": tf.TensorSpec((None,), tf.string),
        "seed": tf.TensorSpec(None if option is None else (), tf.int32),
    }
    outputs = {"texts": tf.TensorSpec((None,) * output, tf.string)}
    signature = Signature(inputs, outputs, {"seed": np.array([-1])})
    assert signature.batches_rows is answer


def test_generate_and_score_share_batches(model):
    shared = {n for n, s in model.signatures.items() if s.batches_rows}
    assert shared == {"generate", "score", "serving_default"}


# === Limits by shapes ===

IDS = np.zeros((3, 5), "int32")
TOP = tf.TensorSpec((None, None, None))
CACHE = tf.TensorSpec((2, None, 4, None, 8))


@pytest.mark.parametrize(
    "outputs, inputs, expected",
    [
        ({"logits": tf.TensorSpec((None, None, 7))}, {}, 3 * 5 * 7),
        ({"stopped": tf.TensorSpec((None,)), "i": tf.TensorSpec(())}, {}, 4),
        (
            {"dense_keys": CACHE, "banded_keys": CACHE},
            {"cache_length": np.array(9)},
            2 * 3 * 4 * 8 * (9 + 1),
        ),
        ({"dense_keys": CACHE}, {"cache_length": np.array(-9)}, 192),
        ({"top_ids": TOP}, {"number": np.array(2)}, 3 * 5 * 2),
        ({"top_ids": TOP}, {"number": np.array(-2)}, 0),
    ],
)
def test_an_answer_is_counted_by_its_shapes(outputs, inputs, expected):
    signature = Signature({}, outputs, {})
    arrays = {"token_ids": IDS} | inputs
    assert least_values(signature, arrays, num_rows=3) == expected


@pytest.mark.parametrize(
    "inputs, expected",
    [
        ({"token_ids": IDS}, 0),
        ({"padding_mask": np.array([[1, 0, 0], [1, 1, 0]], "bool")}, 2),
        ({"index": np.array(3), "end": np.array(40)}, 37),
        ({"index": np.array(-(2**31)), "end": np.array(2**31 - 1)}, 2**32 - 1),
    ],
)
def test_new_tokens_are_counted_in_every_signature(inputs, expected):
    inputs = {
        k: v.astype("int32") if v.dtype == int else v for k, v in inputs.items()
    }
    assert new_tokens(inputs) == expected
