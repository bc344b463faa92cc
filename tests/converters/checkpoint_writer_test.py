import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_gpt3.converters.checkpoint_writer import TensorToStore
from keras_gpt3.converters.checkpoint_writer import write_checkpoint
from keras_gpt3.converters.weight_files import open_weights

CONFIG = {"model_type": "gpt2", "n_layer": 1}
ARRAYS = {name: np.full(10, i, "float32") for i, name in enumerate("abc")}


def tensors():
    return [
        TensorToStore(name, (10,), "float32", lambda array=array: array)
        for name, array in ARRAYS.items()
    ]


def test_a_small_checkpoint_is_one_file_and_a_config(tmp_path):
    write_checkpoint(tmp_path / "model", CONFIG, tensors())
    assert json.loads((tmp_path / "model/config.json").read_text()) == CONFIG
    read = load_file(tmp_path / "model/model.safetensors")
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


def test_a_large_one_is_divided_as_transformers_does(tmp_path):
    write_checkpoint(tmp_path, CONFIG, tensors(), max_shard_size=80)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in range(1, 3))
    assert index == {
        "metadata": {"total_size": 120},
        "weight_map": {"a": first, "b": first, "c": second},
    }
    np.testing.assert_array_equal(open_weights(tmp_path).read("c"), ARRAYS["c"])


@pytest.mark.parametrize("size", [40, 1, 79])
def test_a_tensor_larger_than_a_file_may_be_has_its_own(size, tmp_path):
    write_checkpoint(tmp_path, CONFIG, tensors(), max_shard_size=size)
    names = [f"model-0000{i}-of-00003.safetensors" for i in range(1, 4)]
    for name, array in zip(names, ARRAYS, strict=True):
        assert list(load_file(tmp_path / name)) == [array]


def test_further_files_are_part_of_the_whole(tmp_path):
    def write_more(folder):
        (folder / "vocab.json").touch()

    write_checkpoint(tmp_path, CONFIG, tensors(), write_more)
    assert (tmp_path / "vocab.json").exists()


def test_a_checkpoint_is_replaced_only_when_asked(tmp_path):
    write_checkpoint(tmp_path, CONFIG, tensors())
    with pytest.raises(FileExistsError, match="must be empty or not exist"):
        write_checkpoint(tmp_path, CONFIG, tensors())
    write_checkpoint(
        tmp_path, CONFIG, tensors(), overwrite=True, max_shard_size=40
    )
    assert not (tmp_path / "model.safetensors").exists()


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="if it holds a model of"):
        write_checkpoint(tmp_path, CONFIG, tensors(), overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_failure_leaves_no_folder(tmp_path):
    def fail():
        raise MemoryError

    failing = [TensorToStore("d", (1,), "float32", fail)]
    with pytest.raises(MemoryError):
        write_checkpoint(tmp_path / "model", CONFIG, tensors() + failing)
    assert list(tmp_path.iterdir()) == []
