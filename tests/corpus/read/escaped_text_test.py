import pytest

from keras_gpt3.corpus.read.decode_text import escaped_text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("café", "café"), ("\U0001f600", "\U0001f600"), ("a\udce9", "a\\udce9")],
)
def test_only_what_no_file_can_hold_is_spelled_out(text, escaped):
    assert escaped_text(text) == escaped
    assert escaped_text(escaped) == escaped
