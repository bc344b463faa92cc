import re

import pytest

from keras_gpt3.replaced_folder import replaced_folder


def never(path):
    return False


def always(path):
    return True


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("there", [False, True])
def test_files_appear_when_the_block_ends(tmp_path, there):
    target = tmp_path / "new" / "model"
    if there:
        target.mkdir(parents=True)
    with replaced_folder(target, never) as folder:
        (folder / "a").touch()
        assert not (target / "a").exists()
    assert names(target) == ["a"]
    assert names(target.parent) == ["model"]


def test_what_was_there_goes_if_it_may(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    with replaced_folder(tmp_path / "model", always) as folder:
        (folder / "new").touch()
        assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path / "model") == ["new"]
    assert names(tmp_path) == ["model"]


def test_an_error_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    with pytest.raises(KeyError):
        with replaced_folder(tmp_path / "model", always) as folder:
            (folder / "new").touch()
            raise KeyError
    assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("may_replace", "hint"),
    [
        (None, ""),
        (never, ", or overwrite=True if it holds a model of this format"),
    ],
)
def test_a_folder_with_files_is_kept(may_replace, hint, tmp_path):
    (tmp_path / "thesis.txt").touch()
    message = (
        "The folder must be empty or not exist yet. Received: folder="
        f"'{tmp_path}'. Pass another path{hint}."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        with replaced_folder(tmp_path, may_replace):
            raise AssertionError("The block must not run.")
    assert names(tmp_path) == ["thesis.txt"]


def test_a_folder_that_fills_meanwhile_is_kept(tmp_path):
    with pytest.raises(FileExistsError, match="must be empty"):
        with replaced_folder(tmp_path / "model", never):
            (tmp_path / "model").mkdir()
            (tmp_path / "model/other").touch()
    assert names(tmp_path / "model") == ["other"]


def test_a_file_is_not_replaced(tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(NotADirectoryError, match="which is a file. Pass"):
        with replaced_folder(tmp_path / "model", always):
            raise AssertionError("The block must not run.")
