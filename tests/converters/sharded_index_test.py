import json
import re

import pytest

from keras_gpt3.converters.sharded_index import CHECKPOINT_FILES
from keras_gpt3.converters.sharded_index import KERAS_FILES
from keras_gpt3.converters.sharded_index import check_shards
from keras_gpt3.converters.sharded_index import is_checkpoint_folder
from keras_gpt3.converters.sharded_index import read_config_json
from keras_gpt3.converters.sharded_index import read_index
from keras_gpt3.converters.sharded_index import read_json
from keras_gpt3.converters.sharded_index import shard_names
from tests.small_gpt3 import small_text_model

# === Sharded index ===


def write_index(folder, weight_map):
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def test_an_index_says_which_file_holds_which_tensor(tmp_path):
    (tmp_path / "1.safetensors").touch()
    path = write_index(tmp_path, {"a": "1.safetensors"})
    assert read_index(path) == {"a": "1.safetensors"}


def test_a_shard_may_be_a_link_as_in_the_hub_s_cache(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/0123").touch()
    (tmp_path / "1.safetensors").symlink_to("blobs/0123")
    path = write_index(tmp_path, {"a": "1.safetensors"})
    assert read_index(path) == {"a": "1.safetensors"}


@pytest.mark.parametrize(
    "file",
    [
        "../1.safetensors",
        "sub/1.safetensors",
        "/etc/passwd",
        "..",
        "",
        "C:1",
        "a\\b",
        "a\0b",
        3,
        None,
    ],
)
@pytest.mark.parametrize("read", [read_index, shard_names])
def test_a_shard_elsewhere_is_refused(tmp_path, read, file):
    with pytest.raises(
        ValueError, match="A shard must lie beside its index.*Do not load this"
    ) as error:
        read(write_index(tmp_path, {"a": file}))
    assert repr(file) in str(error.value)


def test_a_shard_that_is_absent_is_named(tmp_path):
    message = (
        "Every shard that an index names must be there. Received: "
        "model.safetensors.index.json with '2.safetensors', which "
        f"{tmp_path} lacks. Download all shards."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_index(write_index(tmp_path, {"a": "2.safetensors"}))


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"weight_map": {}}', "3", "null"]
)
def test_a_file_that_is_no_index_is_an_error(tmp_path, text):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="must hold a weight_map"):
        read_index(path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 10**5])
def test_an_index_that_is_damaged_is_an_error(tmp_path, content):
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"index\.json must be valid JSON"):
        read_index(path)


def test_names_of_shards_need_no_shards_and_may_come_in_lists(tmp_path):
    path = write_index(tmp_path, {"a": ["2.h5", "1.h5"], "b": "2.h5"})
    assert shard_names(path) == ["1.h5", "2.h5"]


# === Indexes against shards ===

INDEX = {"a": "1", "b": "2"}


def test_shards_that_hold_what_the_index_says_pass(tmp_path):
    check_shards(INDEX, {"1": ["a"], "2": ["b"]}, tmp_path / "index.json")


def test_a_tensor_that_its_shard_lacks_is_an_error(tmp_path):
    message = (
        "A shard must hold the tensors that its index names. Received: "
        "index.json with b in 2, which lacks it. Download both again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_shards(INDEX, {"1": ["a"], "2": []}, tmp_path / "index.json")


def test_a_tensor_in_two_shards_is_an_error(tmp_path):
    message = (
        "A tensor must be in one shard, the one that the index names. "
        "Received: a in 2, where index.json has 1. Download the files again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_shards(
            INDEX, {"1": ["a"], "2": ["b", "a"]}, tmp_path / "index.json"
        )


def test_a_tensor_that_the_index_does_not_name_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match="Received: c in 2, where index.json has None"
    ):
        check_shards(
            INDEX, {"1": ["a"], "2": ["b", "c"]}, tmp_path / "index.json"
        )


# === Checkpoint folder ===


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


# === Json file ===


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


# === Model files ===


@pytest.mark.parametrize(
    ("method", "size", "patterns"),
    [
        ("save_to_preset", 1, KERAS_FILES),
        ("save_to_preset", 2e-5, KERAS_FILES),
        ("export_to_transformers", "1GB", CHECKPOINT_FILES),
        ("export_to_transformers", "2KB", CHECKPOINT_FILES),
    ],
)
def test_they_are_all_that_a_model_writes(method, size, patterns, tmp_path):
    model = small_text_model(attention_pattern=("dense",))
    getattr(model, method)(tmp_path, max_shard_size=size)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    known = {path for pattern in patterns for path in tmp_path.glob(pattern)}
    # A card is its author's.
    assert files - known <= {tmp_path / "README.md"}
    assert len(known) > 4
