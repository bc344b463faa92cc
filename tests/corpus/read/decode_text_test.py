import codecs

import pytest

from keras_gpt3.corpus.read.decode_text import decode_text
from keras_gpt3.corpus.read.decode_text import is_binary

TEXT = "The café in Rome, \u201cquoted\u201d \u2013 as it was."


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("windows-1252"),
        TEXT[:20].encode() + TEXT[20:].encode("windows-1252"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
)
def test_text_is_read_in_these_encodings_and_their_mixtures(data):
    assert decode_text(data) == (TEXT, None)


def test_a_byte_that_is_no_character_is_marked():
    assert decode_text(b"x" * 50 + b"\x81") == ("x" * 50 + "\ufffd", None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x00\x01\x02", "binary"),
        (b"Once\x00", "binary"),
        (bytes(range(1, 256)), "binary"),
        (
            "\u041e\u0434\u043d\u0430\u0436\u0434\u044b".encode("koi8-r"),
            "not UTF-8",
        ),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-16"),
    ],
)
def test_what_is_no_text_is_told_with_its_reason(data, reason):
    assert decode_text(data) == (None, reason)


@pytest.mark.parametrize("data", [b"", b"\x1b[31mred", b"a\tb\r\n\x0c" * 9])
def test_escapes_of_terminals_and_white_space_are_text(data):
    assert not is_binary(data)
