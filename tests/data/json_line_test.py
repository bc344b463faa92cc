import pytest

from keras_gpt3.data.json_objects import parse_json_line


@pytest.mark.parametrize("line", ['{"a": [1]}\n', b'{"a": [1]}'])
def test_a_line_is_read(line):
    assert parse_json_line(line) == {"a": [1]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "^it is nested too deep$"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_any_damage_is_a_value_error(line, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json_line(line)
