import json

import pytest

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.vocabulary import read_vocabulary
from tests.tokenization.small_vocabulary import small_vocabulary


def test_reads_a_dict_and_its_json_alike():
    vocabulary, _ = small_vocabulary()
    assert read_vocabulary(vocabulary) == vocabulary
    assert read_vocabulary(json.dumps(vocabulary)) == vocabulary


def test_copies_the_dict():
    vocabulary = {"a": 0}
    assert read_vocabulary(vocabulary) is not vocabulary


@pytest.mark.parametrize(
    ("vocabulary", "received"),
    [
        ({"a": 0, "b": -1}, "'b': -1"),
        ({"a": 0, "b": 1.5}, "'b': 1.5"),
        ({"a": 0, "b": "1"}, "'b': '1'"),
        ({"a": 0, "b": 1, "c": 1}, "id=1 of both 'b' and 'c'"),
    ],
)
def test_refuses_bad_ids(vocabulary, received):
    with pytest.raises(ValueError) as error:
        read_vocabulary(vocabulary)
    assert str(error.value) == (
        "A vocabulary's ids must be distinct integers of at least 0. "
        f"Received: {received}. Renumber the tokens."
    )


@pytest.mark.parametrize("content", ["{not json", "[1, 2]", ["a", "b"], None])
def test_refuses_what_is_no_vocabulary(content):
    with pytest.raises(ValueError) as error:
        read_vocabulary(content)
    assert str(error.value) == (
        "A vocabulary must be a dict or a file with one JSON object, token to "
        f"id. Received: {content!r}. Pass the path of an encoder.json."
    )


def test_refuses_a_missing_byte():
    vocabulary, merges = small_vocabulary()
    del vocabulary["Ċ"]
    message = (
        r"A vocabulary must hold all 256 bytes in GPT-2's byte alphabet\. "
        r"Received: 255 of them, 'Ċ' \(byte 10\) is missing\. Add the bytes\."
    )
    with pytest.raises(ValueError, match=message):
        BytePairEncoding(vocabulary, merges)


def test_refuses_an_empty_vocabulary():
    with pytest.raises(ValueError, match="Received: 0 of them"):
        BytePairEncoding({}, [])


def test_refuses_a_missing_special_token():
    vocabulary, merges = small_vocabulary()
    message = (
        r"Special tokens must be in the vocabulary\. Received: special_tokens="
        r"\('<s>',\), '<s>' is missing\. Add it to `vocabulary`\."
    )
    with pytest.raises(ValueError, match=message):
        BytePairEncoding(vocabulary, merges, special_tokens=("<s>",))


def test_refuses_a_token_outside_the_alphabet():
    vocabulary, merges = small_vocabulary()
    vocabulary[" the"] = 400
    message = (
        r"Tokens must be spelled in GPT-2's byte alphabet \(a space is 'Ġ'\)\. "
        r"Received: a token with ' '\. Respell it"
    )
    with pytest.raises(ValueError, match=message):
        BytePairEncoding(vocabulary, merges)
