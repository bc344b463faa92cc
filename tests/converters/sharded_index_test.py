import json

import pytest

from keras_gpt3.converters.sharded_index import check_shards
from keras_gpt3.converters.sharded_index import read_index
from keras_gpt3.converters.sharded_index import shard_names


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
    with pytest.raises(
        ValueError, match="Every shard .* Received: .*'2.safetensors', which"
    ):
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
    with pytest.raises(ValueError, match="Received: index.json with b in 2, "):
        check_shards(INDEX, {"1": ["a"], "2": []}, tmp_path / "index.json")


def test_a_tensor_in_two_shards_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match="Received: a in 2, where index.json has 1. Download"
    ):
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
