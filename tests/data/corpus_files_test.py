"""Tests of finding the files of a corpus."""

import re

import pytest

from keras_gpt3.data.documents import corpus_files


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
        f".jsonl.gz, .txt, .txt.gz. Received: corpus='{tmp_path}' with none. "
        "Pass another folder, or convert its files."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        corpus_files([tmp_path])
