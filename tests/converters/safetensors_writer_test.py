import weakref

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from keras_gpt3.converters.checkpoint_writer import SafetensorsFile
from keras_gpt3.converters.checkpoint_writer import TensorToStore
from keras_gpt3.converters.checkpoint_writer import write_safetensors


def to_store(name, array):
    return TensorToStore(name, array.shape, str(array.dtype), lambda: array)


ARRAYS = {
    "matrix": np.arange(6, dtype="float32").reshape(3, 2),
    "turned": np.arange(6, dtype="float32").reshape(3, 2).T,
    "half": np.arange(3, dtype="float16"),
    "number": np.array(2, "float64"),
}


def test_the_library_reads_what_is_written(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, [to_store(n, a) for n, a in ARRAYS.items()])
    read = load_file(path)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {"format": "pt"}


def test_numbers_of_bfloat16_come_back(tmp_path):
    array = np.arange(4).astype(ml_dtypes.bfloat16)
    path = tmp_path / "model.safetensors"
    write_safetensors(path, [to_store("a", array)])
    np.testing.assert_array_equal(SafetensorsFile(path).read("a"), array)


def test_one_tensor_at_a_time_is_in_memory(tmp_path):
    made = []

    def make():
        # What was made before has been dropped.
        assert all(reference() is None for reference in made)
        array = np.zeros(2, "float32")
        made.append(weakref.ref(array))
        return array

    tensors = [TensorToStore(n, (2,), "float32", make) for n in "abc"]
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert len(made) == 3


def test_a_tensor_of_another_shape_than_said_is_an_error(tmp_path):
    wrong = TensorToStore("a", (3,), "float32", lambda: np.zeros(2, "float32"))
    with pytest.raises(ValueError, match=r"a must have the shape \(3,\)"):
        write_safetensors(tmp_path / "model.safetensors", [wrong])
