from keras_gpt3.export.version_folder import read_metadata
from keras_gpt3.export.version_folder import write_metadata


def test_facts_and_every_file_but_itself_are_listed(tmp_path):
    assert read_metadata(tmp_path) is None
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"123")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    write_metadata(tmp_path, {"max_sequence_length": 40})
    assert read_metadata(tmp_path) == {
        "max_sequence_length": 40,
        "file_sizes": {"saved_model.pb": 0, "variables/data": 3},
    }


def test_what_is_not_whole_is_not_read(tmp_path):
    write_metadata(tmp_path, {})
    (tmp_path / "assets.extra" / "keras_gpt3.json").write_bytes(b"{")
    assert read_metadata(tmp_path) is None
