"""Tests of finding the files of a corpus."""

import gzip
import io
import re

import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.data.documents import DocumentEncoder
from keras_gpt3.data.documents import corpus_files
from keras_gpt3.data.documents import document_batches
from keras_gpt3.data.text_sources import read_documents

# === Corpus files ===


@pytest.fixture
def folder(tmp_path):
    names = ("b.jsonl", "a.txt", "A.TXT.GZ", "sub/c.jsonl.gz", "README.md")
    hidden = (".a.txt", ".cache/b.txt", "sub/.d.txt")
    for name in (*names, *hidden, "LICENSE", "e.json", "txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    return tmp_path


def test_a_folder_stands_for_its_text_files_sorted(folder):
    found = [str(p.relative_to(folder)) for p in corpus_files([folder])]
    assert found == ["A.TXT.GZ", "a.txt", "b.jsonl", "sub/c.jsonl.gz"]


def test_a_hidden_folder_may_be_named(folder):
    found = corpus_files([folder / ".cache"])
    assert found == [folder / ".cache" / "b.txt"]


def test_files_and_folders_come_in_the_order_given(folder):
    # A file of another kind, too: whoever reads it says what is wrong.
    corpora = [str(folder / "b.jsonl"), folder / "sub", folder / "README.md"]
    assert corpus_files(corpora) == [
        folder / "b.jsonl",
        folder / "sub" / "c.jsonl.gz",
        folder / "README.md",
    ]


def test_a_pattern_stands_for_its_files_sorted(folder):
    (folder / "sub" / "e.parquet").touch()
    found = corpus_files([f"{folder}/**/*.parquet", f"{folder}/*.[tj]*"])
    assert [str(path.relative_to(folder)) for path in found] == [
        *("sub/e.parquet", "a.txt", "b.jsonl", "e.json"),
    ]
    with pytest.raises(FileNotFoundError, match="must be a file or a folder"):
        corpus_files([folder / "*.parquet"])


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder):
    (folder / "[ab].txt").touch()
    assert corpus_files([folder / "[ab].txt"]) == [folder / "[ab].txt"]


def test_a_dataset_of_the_hub_stays_as_it_is(folder):
    corpora = ["hf://datasets/org/books/train", folder / "a.txt"]
    assert corpus_files(corpora) == corpora


def test_what_does_not_exist_is_named():
    message = (
        "A corpus must be a file or a folder. Received: corpus='missing.txt', "
        "which does not exist. Correct the path."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        corpus_files(["missing.txt"])


def test_a_folder_without_text_is_named(tmp_path):
    (tmp_path / "README.md").touch()
    message = (
        "A corpus folder must hold a file that ends in one of .jsonl, "
        ".jsonl.gz, .txt, .txt.gz, .parquet. Received: "
        f"corpus='{tmp_path}' with none. Pass another folder, or convert its "
        "files."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        corpus_files([tmp_path])


# === Document batches ===


@pytest.mark.parametrize(
    ("limits", "batches"),
    [
        ((99, 99), ["a bb cccccc d e"]),
        ((2, 99), ["a bb", "cccccc d", "e"]),
        ((99, 3), ["a bb", "cccccc", "d e"]),
        ((1, 1), ["a", "bb", "cccccc", "d", "e"]),
    ],
)
def test_a_batch_ends_at_the_limit_that_comes_first(limits, batches):
    texts = "a bb cccccc d e".split()
    found = document_batches(iter(texts), *limits)
    assert [" ".join(batch) for batch in found] == batches
    documents = [Document(text, "novels", text) for text in texts]
    found = document_batches(documents, *limits)
    assert [" ".join(d.id for d in batch) for batch in found] == batches


def test_of_nothing_there_is_no_batch():
    assert list(document_batches([], 1, 1)) == []


def test_no_more_is_read_than_a_batch_needs():
    texts = iter("abc")
    assert next(document_batches(texts, 2, 99)) == ["a", "b"]
    assert next(texts) == "c"


# === Document encoder ===


# Tests of turning documents into ids, against one document at a time.


class ArrayTokenizer:
    """One id a character, a text at a time, as an array."""

    end_token_id = 299

    def vocabulary_size(self):
        return 300

    def encode_to_numpy(self, text, split_special_tokens=False):
        assert split_special_tokens, "special tokens in a corpus are text"
        return np.array([*map(ord, text)], "uint32")


@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize(
    "texts", [["one", "", "three"], [""], ["", ""], ["é<|endoftext|>"]]
)
def test_each_document_is_its_ids_and_its_end(tokenizer, texts, as_arrays):
    tokenizer = ArrayTokenizer() if as_arrays else tokenizer
    documents = DocumentEncoder(tokenizer).encode(texts)
    assert [document.tolist() for document in documents] == [
        [*map(ord, text), 299] for text in texts
    ]


def test_ids_are_asked_for_as_arrays_where_the_tokenizer_has_them(
    tokenizer, monkeypatch
):
    arrays = ArrayTokenizer().encode_to_numpy
    monkeypatch.setattr(tokenizer, "encode_to_numpy", arrays, raising=False)
    monkeypatch.delattr(type(tokenizer), "encode_batch")
    (document,) = DocumentEncoder(tokenizer).encode(["a"])
    assert document.tolist() == [97, 299]


@pytest.mark.parametrize(
    ("vocabulary_size", "dtype"), [(65536, "uint16"), (65537, "uint32")]
)
def test_ids_have_the_smallest_type_that_holds_them(
    make_tokenizer, vocabulary_size, dtype
):
    encoder = DocumentEncoder(make_tokenizer(vocabulary_size))
    (document,) = encoder.encode(["a"])
    assert encoder.dtype == document.dtype == dtype
    assert document.tolist() == [97, vocabulary_size - 1]


@pytest.mark.parametrize(("low", "high"), [(97, 300), (-1, 299)])
@pytest.mark.parametrize("as_arrays", [False, True])
def test_an_id_outside_the_vocabulary_is_an_error(
    tokenizer, as_arrays, low, high
):
    if as_arrays:
        tokenizer = ArrayTokenizer()
        tokenizer.encode_to_numpy = lambda text, **_: np.array([high, low])
    else:
        tokenizer.encode_batch = lambda texts, **_: [[high, low]]
    message = (
        "Token ids must lie from 0 to vocabulary_size - 1. Received: ids from "
        f"{low} to {high}, vocabulary_size=300. Pass a tokenizer that counts "
        "all of its ids."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DocumentEncoder(tokenizer).encode(["a"])


def test_the_tokenizer_of_a_preset_treats_special_tokens_as_text():
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    text = "Once<|endoftext|> upon"
    (document,) = DocumentEncoder(tokenizer).encode([text])
    assert document[-1] == 50256
    assert 50256 not in document[:-1]
    assert tokenizer.detokenize(document[:-1]) == text


# === Document files ===


# Tests of reading documents from one file.


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
