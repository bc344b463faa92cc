import re
import shutil

import pytest

from keras_gpt3.export.version_folder import write_metadata
from keras_gpt3.serving.version_folders import VersionLoader
from keras_gpt3.serving.version_folders import folder_state
from keras_gpt3.serving.version_folders import is_whole
from keras_gpt3.serving.version_folders import newest_versions


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
    assert newest_versions(tmp_path) == [
        (number, tmp_path / str(number)) for number in (10, 9, 2)
    ]


@pytest.mark.parametrize("name, version", [("model", 1), ("7", 7)])
def test_one_saved_model_is_served_by_itself(tmp_path, name, version):
    write(tmp_path / name)
    assert newest_versions(tmp_path / name) == [(version, tmp_path / name)]


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
        newest_versions(tmp_path / name)


def test_a_version_is_whole_when_its_files_are_those_that_it_lists(tmp_path):
    folder = tmp_path / "1"
    write(folder)
    assert is_whole(folder, folder_state(folder)) is False
    (folder / "variables").mkdir()
    data = folder / "variables" / "data"
    data.write_bytes(b"1234")
    write_metadata(folder, {})
    assert is_whole(folder, folder_state(folder)) is True
    data.write_bytes(b"123")
    assert is_whole(folder, folder_state(folder)) is False
    data.unlink()
    assert is_whole(folder, folder_state(folder)) is False
    data.write_bytes(b"1234")
    listed = folder / "assets.extra" / "keras_gpt3.json"
    listed.write_bytes(listed.read_bytes()[:-9])
    assert is_whole(folder, folder_state(folder)) is False


# === Loading ===


def write_version(folder, content=b"sound"):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(content)
    write_metadata(folder, {})


def load(version, path):
    if (path / "saved_model.pb").read_bytes() != b"sound":
        raise RuntimeError("It is broken.\nAt length.")
    return version


@pytest.fixture
def loader(tmp_path):
    write_version(tmp_path / "1")
    loader = VersionLoader(tmp_path, load, max_loads=4)
    assert loader.load_first() == 1
    return loader


def test_a_version_that_failed_is_tried_again_when_it_has_changed(
    loader, tmp_path, caplog
):
    write_version(tmp_path / "2", b"broken")
    for _ in range(4):
        assert loader.load_newer(1) is None
    assert len(caplog.records) == 1
    write_version(tmp_path / "2")
    assert loader.load_newer(1) == 2
    assert loader.load_newer(2) is None


def test_a_broken_version_hides_no_sound_one_below(loader, tmp_path):
    write_version(tmp_path / "2")
    write_version(tmp_path / "3", b"broken")
    assert loader.load_newer(1) == 2


def test_a_version_is_loaded_once_all_its_files_are_there(
    loader, tmp_path, caplog
):
    write_version(tmp_path / "2")
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"sou")
    for _ in range(3):
        assert loader.load_newer(1) is None
    assert [record.getMessage() for record in caplog.records] == [
        "Version 2 could not be loaded: its files are not whole yet"
    ]
    write_version(tmp_path / "2")
    assert loader.load_newer(1) == 2


def test_a_start_falls_back_to_what_is_sound(tmp_path):
    write_version(tmp_path / "7")
    write_version(tmp_path / "8", b"broken")
    write_version(tmp_path / "9")
    (tmp_path / "9" / "saved_model.pb").write_bytes(b"so")
    assert VersionLoader(tmp_path, load, max_loads=4).load_first() == 7


def test_a_start_without_a_sound_version_is_one_sentence(tmp_path):
    write_version(tmp_path / "8", b"broken")
    message = (
        "FOLDER must hold a version that can be loaded. Received: FOLDER="
        f"{str(tmp_path)!r} (8: It is broken.). Copy or export it again."
    )
    loader = VersionLoader(tmp_path, load, max_loads=4)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loader.load_first()


def test_a_version_that_changes_while_it_is_loaded_is_not_served(tmp_path):
    write_version(tmp_path / "1")

    def load_slowly(version, path):
        (path / "more").write_bytes(b"")
        return version

    loader = VersionLoader(tmp_path, load_slowly, max_loads=4)
    with pytest.raises(ValueError, match="A version must not change while"):
        loader.load_first()


def test_no_more_versions_are_loaded_than_the_memory_is_for(
    loader, tmp_path, caplog
):
    for version in (2, 3, 4, 5, 6):
        write_version(tmp_path / str(version))
        served = loader.load_newer(version - 1)
        assert served == (version if version < 5 else None)
    assert loader.load_newer(4) is None
    # Said once a version, with the remedy.
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 2
    assert said[0] == (
        "Version 5 could not be loaded: A server must load at most 4 versions, "
        "of which some memory stays. Received: one more. Restart the server to "
        "have it."
    )
