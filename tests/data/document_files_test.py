"""Tests of reading documents from one file."""

import gzip
import io
import re

import pytest

from keras_gpt3.data.documents import read_documents

LINES = b'{"text": "one"}\n\n{"text": "two\\nlines", "id": 2}\r\n{"text": ""}'
# With the time of now in it, workers would name tests differently.
GZIPPED = gzip.compress(LINES, mtime=0)


def read(content, path):
    return list(read_documents(io.BytesIO(content), path))


@pytest.mark.parametrize("path", ["a.jsonl", "A.JSONL"])
def test_each_line_of_a_jsonl_file_is_a_document(path):
    assert read(LINES, path) == ["one", "two\nlines", ""]


def test_a_txt_file_is_one_document_without_its_byte_order_mark():
    content = "\ufeffé\r\n".encode()
    assert read(content, "a.txt") == ["é\r\n"]


@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_a_gzipped_file_reads_as_the_plain_one(suffix):
    gzipped = read(gzip.compress(LINES), "a" + suffix + ".gz")
    assert gzipped == read(LINES, "a" + suffix)


def test_a_jsonl_file_is_read_without_its_byte_order_mark():
    assert read(b"\xef\xbb\xbf" + LINES, "a.jsonl") == read(LINES, "a.jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"txt": "two"}', "it has no text"),
        (b'{"text": null}', "its text is of type NoneType"),
        (
            b'{"text": "a\\ud83d"}',
            "its text: 'utf-8' codec can't encode character '\\ud83d' in "
            "position 1: surrogates not allowed",
        ),
    ],
)
def test_a_line_without_a_text_is_named_by_file_and_number(line, reason):
    message = (
        'Each line of a file of documents must have a "text" string. Received: '
        f"file='a.jsonl', line=2 ({reason}). Correct or remove the line."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(b'{"text": "one"}\n' + line + b"\n", "a.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'{"text": "tw',
            "Each line of a file of documents must be a JSON object. Received: "
            "file='a.jsonl', line=2 (Invalid control character at, at column "
            "13). Write one object a line.",
        ),
        (
            b'{"text": "\xff"}',
            "A file of documents must be UTF-8. Received: file='a.jsonl', "
            "line=2 ('utf-8' codec can't decode byte 0xff in position 10: "
            "invalid start byte). Convert it to UTF-8.",
        ),
    ],
)
def test_a_damaged_line_is_named_as_in_other_files(line, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(b'{"text": "one"}\n' + line + b"\n", "a.jsonl")


def test_escaped_characters_are_read():
    line = b'{"text": "\\u00e9 \\ud83d\\ude00 \\\\ud83d"}'
    assert read(line, "a.jsonl") == ["é 😀 \\ud83d"]


def test_the_message_does_not_quote_a_long_line():
    line = b'{"text": "' + b"a" * 10_000 + b'\xff"}'
    with pytest.raises(ValueError, match="line=1") as error:
        read(line, "a.jsonl")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "content", [GZIPPED[:-9], LINES, b"\x1f\x8b\x08" + b"\xff" * 9]
)
def test_a_damaged_gz_file_is_named(content):
    message = (
        "A .gz file must be complete and gzipped. Received: file='a.jsonl.gz'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read(content, "a.jsonl.gz")


def test_a_txt_file_that_is_not_utf8_is_named():
    message = "A .txt file must be UTF-8. Received: file='a.txt'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read(b"\xff", "a.txt")
