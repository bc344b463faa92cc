import pytest

from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import foreign
from keras_gpt3.converters.tokenizer_json import read_json_object


def test_reads_an_object_or_nothing(tmp_path):
    path = tmp_path / "a.json"
    assert read_json_object(path) is None
    path.write_text('{"é": 1}', "utf-8")
    assert read_json_object(path) == {"é": 1}


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1',
        b"",
        b"[]",
        b"5",
        b"null",
        b"\xff{}",
        b'{"a":\n "b}',
        b'{"a":' * 10**5,
    ],
)
def test_a_damaged_file_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="whole and in its format") as caught:
        read_json_object(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


def test_errors_have_one_form():
    assert str(damaged("a.json", "two\nlines.")) == (
        "A tokenizer's file must be whole and in its format. Received: "
        "file='a.json' (two lines). Download it again."
    )
    assert str(foreign("a.json", "model.dropout", 0.1)) == (
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        "Received: file='a.json', model.dropout=0.1. Use the tokenizer of a "
        "GPT-2, or pass preprocessor=None and work on token ids."
    )
