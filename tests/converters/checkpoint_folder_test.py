import pytest

from keras_gpt3.converters.sharded_index import is_checkpoint_folder
from keras_gpt3.converters.sharded_index import read_config_json


@pytest.mark.parametrize(
    ("text", "is_checkpoint"),
    [
        ('{"model_type": "gpt2"}', True),
        ('{"model_type": "unknown"}', True),
        ('{"registered_name": "GPT3", "model_type": "gpt2"}', False),
        ("{}", False),
        ("[]", False),
        ("{", False),
        ("5", False),
        ("null", False),
        ("[" * 10**5, False),
        (None, False),
    ],
)
def test_a_model_type_makes_a_checkpoint(tmp_path, text, is_checkpoint):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert is_checkpoint_folder(tmp_path) is is_checkpoint


def test_a_config_is_a_dict(tmp_path):
    (tmp_path / "config.json").write_text('{"n_layer": 2}')
    assert read_config_json(tmp_path) == {"n_layer": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"config\.json must be valid JSON. Received: "),
        (b"\xff", r"config\.json must be valid JSON. Received: "),
        (b"[" * 10**5, "valid JSON. Received: .*nested too deep.* or save it"),
        (b"[]", r"config\.json must hold one object. .* with \[\]. Download"),
        (b"null", r"config\.json must hold one object. .* with None. Download"),
        (b"5", r"config\.json must hold one object. .* with 5. Download or"),
    ],
)
def test_a_damaged_config_is_an_error_with_its_path(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_config_json(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "config.json") in str(error.value)


def test_a_missing_config_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold a config\.json"):
        read_config_json(tmp_path)
