import re

import pytest

from keras_gpt3.corpus.read.read_file import common_folder
from keras_gpt3.corpus.read.read_file import input_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/z.txt", "b/c/a.jsonl.gz", "b/README.md", "a.WARC.GZ"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["b"], ["b/c/a.jsonl.gz", "b/z.txt"]),
        (["b", "./b/z.txt", "b/"], ["b/c/a.jsonl.gz", "b/z.txt"]),
        (["**/*.txt", "a.WARC.GZ"], ["a.WARC.GZ", "b/z.txt"]),
        ([], []),
    ],
)
def test_files_folders_and_patterns_give_sorted_files_once(
    folder, patterns, files
):
    assert input_files(patterns) == files


@pytest.mark.parametrize("pattern", ["b/README.md", "b/*.md"])
def test_an_unknown_suffix_is_named_before_work_starts(folder, pattern):
    with pytest.raises(
        ValueError, match=r"Received: file='b/README\.md'\. Convert or rename"
    ):
        input_files([pattern])


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("no.txt", "which matches no file"),
        ("c/*.txt", "which matches no file"),
        ("empty", "a folder without files that end in .jsonl"),
    ],
)
def test_what_names_no_file_is_an_error(folder, pattern, reason):
    (folder / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=re.escape(f"'{pattern}', {reason}")
    ):
        input_files([pattern])


def test_the_common_folder_is_above_all_files(folder):
    assert common_folder(["b/z.txt"]) == str(folder / "b")
    assert common_folder(["b/z.txt", "b/c/a.jsonl.gz"]) == str(folder / "b")
    assert common_folder(["b/*/*.gz"]) == str(folder / "b")
    assert common_folder(["**/*.gz", "b"]) == str(folder)
    assert common_folder(["b"]) == str(folder / "b")
    assert common_folder(["b/z.txt", "a.WARC.GZ"]) == str(folder)
