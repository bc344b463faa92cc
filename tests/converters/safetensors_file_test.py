import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_gpt3.converters.safetensors_file import SafetensorsFile

TENSORS = {
    "matrix": np.arange(12, dtype="float32").reshape(4, 3),
    "vector": np.arange(5, dtype="float16"),
    "number": np.array(3, "int64"),
    "mask": np.eye(2, dtype="bool"),
    "empty": np.zeros((0, 4), "float32"),
    "wide": np.arange(3, dtype="float64"),
    "brain": np.arange(6).reshape(3, 2).astype(ml_dtypes.bfloat16),
}


@pytest.fixture
def path(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_are_read_as_the_library_wrote_them(path, name):
    read = SafetensorsFile(path).read(name)
    assert read.dtype == TENSORS[name].dtype
    np.testing.assert_array_equal(read, TENSORS[name])


def test_shapes_are_known_without_reading(path):
    shapes = {name: tensor.shape for name, tensor in TENSORS.items()}
    assert SafetensorsFile(path).shapes == shapes


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 3), (3, None), (2, 9)])
@pytest.mark.parametrize("name", ["matrix", "vector", "brain"])
def test_some_rows_are_a_slice(path, name, start, end):
    rows = SafetensorsFile(path).read(name, start, end)
    np.testing.assert_array_equal(rows, TENSORS[name][start:end])


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_file_that_is_cut_short_is_an_error(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(
        ValueError,
        match="model.safetensors must be a whole safetensors file. Received: "
        ".*model.safetensors .*Download it again",
    ) as error:
        SafetensorsFile(path)
    assert "\n" not in str(error.value)


def test_a_file_that_shrinks_after_it_was_opened_is_an_error(path):
    opened = SafetensorsFile(path)
    path.write_bytes(path.read_bytes()[:-1])
    last = max(TENSORS, key=lambda x: opened._header[x]["data_offsets"])
    with pytest.raises(ValueError, match=f"ends within {last}. Load it again"):
        opened.read(last)


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(OSError, match=r"missing\.safetensors"):
        SafetensorsFile(tmp_path / "missing.safetensors")


def test_without_the_library_one_sentence_says_how_to_get_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(
        ImportError, match=r"must find the package safetensors.*gpt3\[convert\]"
    ):
        SafetensorsFile(path)
