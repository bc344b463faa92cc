import base64
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.json_body import array_from_json
from keras_gpt3.serving.json_body import is_bytes_object
from keras_gpt3.serving.json_body import json_from_array
from keras_gpt3.serving.json_body import json_text
from keras_gpt3.serving.json_body import parse_body

# === Json body ===


KNOWN = ("instances", "inputs")


def test_a_body_is_an_object_of_known_keys():
    body = '{"inputs": ["é"]}'.encode()
    assert parse_body(body, KNOWN) == {"inputs": ["é"]}


@pytest.mark.parametrize(
    "body, message",
    [
        (
            b'{"inputs": "\xff"}',
            "Texts must be valid UTF-8. Received: an invalid byte in the body "
            "at index=12. Replace it with U+FFFD, or send the text as UTF-8.",
        ),
        (
            b'{"inputs": }',
            "The body must be JSON. Received: Expecting value at index=11. "
            "Check its quotes and brackets.",
        ),
        (b"", "The body must be JSON. Received: Expecting value at index=0."),
        (
            b'{"inputs": ' + b"[" * 100_000,
            "The body must be JSON. Received: lists or objects too deep.",
        ),
        (
            b'{"inputs": ' + b"1" * 10_000 + b"}",
            "The body must be JSON. Received: a number of too many digits.",
        ),
        (
            b"[1]",
            "The body must be a JSON object. Received: list. Put it in braces, "
            "under one of instances, inputs.",
        ),
        (b"null", "The body must be a JSON object. Received: NoneType."),
        (
            b'{"instance": [], "inputs": [], "\\ud800": 1}',
            "The body's keys must be among instances, inputs. Received: "
            r"instance, \ud800. Check the spelling.",
        ),
    ],
)
def test_a_wrong_body_is_one_sentence(body, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_body(body, KNOWN)


# === Json arrays ===


OBJECT = np.dtype(object)
# numpy takes it for void.
BFLOAT16 = tf.bfloat16.as_numpy_dtype


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0), (2, 1, 2)])
@pytest.mark.parametrize("dtype", ["int32", "float32", "bfloat16", "bool"])
def test_arrays_survive_the_way_there_and_back(shape, dtype):
    dtype = tf.as_dtype(dtype).as_numpy_dtype
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    values = json.loads(json.dumps(json_from_array("x", array)))
    back = array_from_json("x", values, np.dtype(dtype))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


def test_texts_are_plain_and_bytes_are_base64():
    texts = np.array([["héllo".encode(), b"\xff\xfe"]], object)
    values = json_from_array("texts", texts)
    assert values == [
        ["héllo", {"b64": base64.b64encode(b"\xff\xfe").decode()}]
    ]
    np.testing.assert_array_equal(
        array_from_json("texts", values, OBJECT), texts
    )


def test_an_output_of_bytes_is_base64_throughout():
    values = json_from_array("image_bytes", np.array([b"a"], object))
    assert values == [{"b64": "YQ=="}]


@pytest.mark.parametrize(
    "value, answer",
    [({"b64": "YQ=="}, True), ({"b64": "", "a": 1}, False), ("b64", False)],
)
def test_an_object_of_b64_alone_stands_for_bytes(value, answer):
    assert is_bytes_object(value) is answer


@pytest.mark.parametrize(
    "value, dtype, message",
    [
        (
            [[1, 2], [3]],
            "int32",
            "Lists of x must have one length at each depth. Received: lists of "
            "different lengths. Pad them.",
        ),
        ([[1], 2], "int32", "Lists of x must have one length at each depth."),
        ([1, [2]], "int32", "Lists of x must have one length at each depth."),
        (
            [1, 2.0],
            "int32",
            "x must be integers. Received: x=2.0. Check the type of each "
            "value.",
        ),
        ([True], "int32", "x must be integers. Received: x=True."),
        ([1], "bool", "x must be booleans. Received: x=1."),
        ([True], "float32", "x must be numbers. Received: x=True."),
        (["1"], "float32", "x must be numbers. Received: x='1'."),
        (["1"], BFLOAT16, "x must be numbers. Received: x='1'."),
        ([None], "float32", "x must be numbers. Received: x=None."),
        ([1], object, "x must be strings. Received: x=1."),
        ([{"b64": 1}], object, "x must be strings. Received: x={'b64': 1}."),
        (
            [2**31],
            "int32",
            "x must fit 32 bits. Received: x=2147483648. Pass an integer from "
            "-2147483648 to 2147483647.",
        ),
        (
            [{"b64": "YQ"}],
            object,
            "b64 must be base64. Received: x={'b64': 'YQ'}. Pass plain strings "
            "as they are.",
        ),
        ([{"b64": "é"}], object, "b64 must be base64."),
    ],
)
def test_a_wrong_value_is_one_sentence(value, dtype, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        array_from_json("x", value, np.dtype(dtype))


def test_half_a_character_is_refused_as_python_does():
    value = json.loads('["a\\ud800"]')
    with pytest.raises(ValueError, match="^Texts must be valid U"):
        array_from_json("prompts", value, OBJECT)


# === Json text ===


@pytest.mark.parametrize(
    "value",
    [
        {"outputs": [[1, 2.5], [3, -4e-9]], "é\n": "ü\ud800"},
        {"predictions": [{"texts": "a", "num": 3}, {"texts": {"b64": ""}}]},
        ["a", {"b64": "YQ=="}],
        [[], [[]], [1, "a", None, True]],
        {},
        [],
        3,
    ],
)
def test_the_text_is_that_of_pythons_own_writer(value):
    assert json_text(value) == json.dumps(value, ensure_ascii=False)


def test_what_is_no_number_is_written_as_tensorflow_serving_does():
    values = [[float("nan"), float("inf"), float("-inf")]]
    assert json_text(values) == "[[NaN, Infinity, -Infinity]]"


def test_pythons_own_writer_gets_one_innermost_list_at_a_time(monkeypatch):
    # Other threads have their turn between its calls, and not within one.
    sizes, dumps = [], json.dumps

    def watch(value, **options):
        sizes.append(len(value))
        return dumps(value, **options)

    monkeypatch.setattr(json, "dumps", watch)
    json_text({"y": [[[0.5] * 7] * 5] * 3})
    assert sizes == [len("y")] + [7] * 15


# === Request error ===


def test_an_error_has_a_status_and_headers_of_its_own():
    headers = {"Retry-After": "1"}
    error = RequestError(429, "Too many.", headers)
    headers.clear()
    assert (str(error), error.status) == ("Too many.", 429)
    assert error.headers == {"Retry-After": "1"}
    assert RequestError(404, "None.").headers == {}
