import json
import re
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_gpt3.converters.weight_files import find_weights
from keras_gpt3.converters.weight_files import open_weights

A = np.arange(6, dtype="float32").reshape(3, 2)
B = np.arange(4, dtype="float16")


def save_shards(folder):
    save_file({"a": A}, folder / "1.safetensors")
    save_file({"b": B}, folder / "2.safetensors")
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))


def save_single(folder):
    save_file({"a": A, "b": B}, folder / "model.safetensors")


@pytest.mark.parametrize("save", [save_single, save_shards])
def test_tensors_are_found_in_one_file_or_several(tmp_path, save):
    save(tmp_path)
    weights = open_weights(tmp_path)
    assert weights.shapes == {"a": (3, 2), "b": (4,)}
    np.testing.assert_array_equal(weights.read("a", 1, 3), A[1:3])
    np.testing.assert_array_equal(weights.read("b"), B)


def test_one_safetensors_file_is_preferred(tmp_path):
    assert find_weights(tmp_path) is None
    (tmp_path / "pytorch_model.bin").touch()
    assert find_weights(tmp_path) == "pytorch_model.bin"
    save_shards(tmp_path)
    assert find_weights(tmp_path) == "model.safetensors.index.json"
    save_single(tmp_path)
    assert find_weights(tmp_path) == "model.safetensors"


def test_a_link_to_nowhere_is_not_passed_over(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("gone")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        open_weights(tmp_path)


def test_a_folder_without_weights_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        ValueError,
        match="must hold weights: model.safetensors, .*, pytorch_model.bin or "
        "pytorch_model.bin.index.json. Received: ",
    ):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["training_args.bin", "config.json"], ""),
        (["tf_model.h5"], " with tf_model.h5 instead"),
        (["flax_model.msgpack"], " with flax_model.msgpack instead"),
        (["model.weights.h5"], " with model.weights.h5 instead"),
        (
            ["consolidated.01.pth", "consolidated.00.pth", "x.gguf"],
            " with consolidated.00.pth and 2 more instead",
        ),
    ],
)
def test_weights_that_are_not_read_are_named(tmp_path, names, words):
    for name in names:
        (tmp_path / name).touch()
    message = f"Received: {tmp_path}{words}. Download them, or pass load_"
    with pytest.raises(ValueError, match=re.escape(message)):
        open_weights(tmp_path)


def test_a_shard_that_lacks_its_tensor_is_an_error(tmp_path):
    save_shards(tmp_path)
    save_file({"c": B}, tmp_path / "2.safetensors")
    with pytest.raises(ValueError, match="with b in 2.safetensors, which"):
        open_weights(tmp_path)


def test_a_pickle_needs_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ImportError, match="must find the package torch"):
        open_weights(tmp_path)
