from keras_gpt3.export.version_folder import read_file_sizes
from keras_gpt3.export.version_folder import write_file_sizes


def test_every_file_is_listed_but_the_list(tmp_path):
    assert read_file_sizes(tmp_path) is None
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"123")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    write_file_sizes(tmp_path)
    sizes = {"saved_model.pb": 0, "variables/data": 3}
    assert read_file_sizes(tmp_path) == sizes


def test_a_list_that_is_not_whole_fits_no_folder(tmp_path):
    write_file_sizes(tmp_path)
    (tmp_path / "assets.extra" / "file_sizes.json").write_bytes(b"{")
    assert read_file_sizes(tmp_path) == {"": -1}
