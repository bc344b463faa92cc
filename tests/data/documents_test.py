"""Tests of telling texts from paths."""

import pathlib
import re

import pytest

from keras_gpt3.data.documents import Documents


@pytest.fixture
def paths(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.jsonl"
    one.write_text("from one")
    two.write_text('{"text": "from two"}\n{"text": "again"}\n')
    return [one, two]


TEXTS = ["from one", "from two", "again"]


@pytest.mark.parametrize("path_type", [str, pathlib.Path])
def test_paths_are_read_in_order(paths, path_type):
    assert list(Documents([path_type(path) for path in paths])) == TEXTS


def test_a_path_alone_is_a_path(paths):
    assert list(Documents(str(paths[0]))) == ["from one"]


def test_an_iterator_of_texts_keeps_its_first_item():
    assert list(Documents(iter(TEXTS))) == TEXTS


def test_a_text_that_looks_like_a_path_is_a_text_behind_other_texts(paths):
    texts = ["a text", str(paths[0]), "\nmissing.txt"]
    assert list(Documents(texts)) == texts


def test_no_documents_are_no_documents():
    assert list(Documents([])) == []


def test_bytes_read_grow_from_nothing_to_the_size_of_all_files(paths):
    documents = Documents(paths)
    seen = [documents.num_bytes_read]
    seen += [documents.num_bytes_read for _ in documents]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert documents.num_bytes_read == documents.num_bytes
    assert documents.num_bytes == sum(path.stat().st_size for path in paths)


def test_the_size_of_texts_is_unknown():
    assert Documents(TEXTS).num_bytes is None


def test_a_missing_file_is_named_before_anything_is_read(paths):
    message = (
        "A path must name a file. Received: path='missing.txt'. Correct it; "
        "a text that looks like a path must not come first."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        Documents([*paths, "missing.txt"])


@pytest.mark.parametrize("name", ["one.csv", "a whole text"])
def test_an_unknown_suffix_is_named(name):
    message = (
        "A path must end in one of .jsonl, .jsonl.gz, .txt, .txt.gz, .parquet. "
        f"Received: path='{name}'. Convert the file, or pass a list of texts."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Documents(name)


def test_an_existing_file_of_another_kind_is_no_text(tmp_path):
    path = tmp_path / "corpus.csv"
    path.touch()
    with pytest.raises(ValueError, match="^A path must end in one of"):
        Documents([str(path)])


@pytest.mark.parametrize("document", [3, b"bytes", None])
def test_a_document_that_is_no_string_is_named(document):
    message = (
        "Documents must be strings. Received: document number 1 of type "
        f"{type(document).__name__}. Pass str, or paths only."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        list(Documents(["a text", document]))
