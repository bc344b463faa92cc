import itertools

import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.graph.byte_pair_encoding import check_utf8
from tests.tokenization.make_character_classes import all_characters

CHECK = tf.function(
    check_utf8, input_signature=[tf.TensorSpec([None], tf.string)]
)
# The first and last of each kind of byte, and what is never in UTF-8.
BYTES = b"a\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xed\xef\xf0\xf4\xf5\xff"


def is_utf8(text):
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def passes(texts):
    """Whether the check lets all of them pass."""
    try:
        CHECK(tf.constant(texts, tf.string))
    except tf.errors.InvalidArgumentError:
        return False
    return True


def test_every_character_passes():
    text = all_characters().encode()
    assert CHECK(tf.constant([text]))[0].numpy() == text
    assert passes([character.encode() for character in all_characters()[::97]])


def test_short_texts_pass_where_python_decodes_them():
    texts = [
        bytes(some)
        for length in (1, 2, 3)
        for some in itertools.product(BYTES, repeat=length)
    ]
    texts += [b"\xf0\x90\x80" + bytes([b]) for b in BYTES]
    texts += [b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xed\xa0\x80"]
    texts += ["\ufeffa".encode(), "\ufffd".encode(), b"\xef\xbf"]
    assert passes([text for text in texts if is_utf8(text)])
    invalid = [text for text in texts if not is_utf8(text)]
    assert len(invalid) > 1000
    mended = tf.strings.unicode_transcode(invalid, "UTF-8", "UTF-8", "replace")
    assert not tf.reduce_any(mended == invalid)
    assert not any(passes([text]) for text in invalid[::40])


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_valid(texts):
    assert passes(texts)


def test_the_first_invalid_text_is_named():
    message = (
        r"^Texts must be valid UTF-8\. Received: an invalid byte in the text "
        r"at index=1\. Replace it with U\+FFFD, or send the text as UTF-8\.$"
    )
    with pytest.raises(ValueError, match=message), one_line_errors():
        CHECK(tf.constant([b"a", b"\xff", b"b", b"\xc3"]))
