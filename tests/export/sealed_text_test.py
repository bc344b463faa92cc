import os

import pytest

from keras_gpt3.export.serving_bundle import write_unless_edited


def test_a_new_file_holds_the_text_below_a_comment(tmp_path):
    path = tmp_path / "a.config"
    assert write_unless_edited(path, "size: 1\n")
    comment, text = path.read_text().split("\n", 1)
    assert text == "size: 1\n"
    assert comment.startswith("# Written by keras_gpt3; ")


def test_a_file_that_nobody_edited_is_replaced(tmp_path):
    path = str(tmp_path / "a.config")
    for size in (1, 1, 2):
        assert write_unless_edited(path, f"size: {size}\n")
    with open(path) as file:
        assert file.read().endswith("\nsize: 2\n")
    assert os.listdir(tmp_path) == ["a.config"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "color: 3\n",
        lambda text: text.replace("1\n", "9\n"),
        lambda text: text.partition("\n")[2] + "color: 3\n",
        lambda text: "\n" + text,
        lambda text: "",
    ],
)
def test_an_edited_file_is_kept(edit, tmp_path):
    path = tmp_path / "a.config"
    write_unless_edited(path, "size: 1\n")
    edited = edit(path.read_text())
    path.write_text(edited)
    assert not write_unless_edited(path, "size: 2\n")
    assert path.read_text() == edited


def test_a_file_of_the_same_text_is_none_that_differs(tmp_path):
    path = tmp_path / "a.config"
    path.write_text("size: 1\n")
    assert write_unless_edited(path, "size: 1\n")
    assert path.read_text() == "size: 1\n"


def test_a_failure_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.config"
    write_unless_edited(path, "size: 1\n")
    before = path.read_text()

    def fail(_):
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_unless_edited(path, "size: 2\n")
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["a.config"]
