import re

import pytest

from keras_gpt3.serving.json_body import parse_body

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
