import re

import pytest

from keras_gpt3.serving.version_folders import newest_version


def write(*folders):
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()


def test_the_highest_number_is_served_not_the_last_word(tmp_path):
    write(*(tmp_path / name for name in ("2", "10", "9", "latest", ".11.tmp")))
    # A version that is not there yet, a number in other digits, and a file.
    (tmp_path / "12").mkdir()
    write(tmp_path / "\u0663\u0663")
    (tmp_path / "models.config").touch()
    assert newest_version(tmp_path) == (10, tmp_path / "10")


@pytest.mark.parametrize("name, version", [("model", 1), ("7", 7)])
def test_one_saved_model_is_served_by_itself(tmp_path, name, version):
    write(tmp_path / name)
    assert newest_version(tmp_path / name) == (version, tmp_path / name)


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_a_folder_without_any_is_one_sentence(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    message = (
        "FOLDER must be a SavedModel, or hold versions in folders such as 1. "
        f"Received: FOLDER={str(tmp_path / name)!r}. Write one with "
        "model.export(folder)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        newest_version(tmp_path / name)
