import pytest

from keras_gpt3.converters.sharded_index import read_json


def test_a_file_is_read_as_utf_8(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"é": [1, null]}'.encode())
    assert read_json(path) == {"é": [1, None]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff", "can't decode byte 0xff"),
        (b"[" * 10**5, "it is nested too deep"),
        (b'{"a":' * 10**5, "it is nested too deep"),
        (b"1" * 5000, "Exceeds the limit"),
    ],
)
def test_any_damage_is_a_value_error_of_one_line(tmp_path, content, reason):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as error:
        read_json(path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.json"):
        read_json(tmp_path / "a.json")
