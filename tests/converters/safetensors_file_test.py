import json
import random
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_gpt3.converters.checkpoint_writer import SafetensorsFile

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


def read_all(path):
    """Reads what a file holds; errors must be of one line that names it."""
    try:
        opened = SafetensorsFile(path)
        for name in opened.shapes:
            opened.read(name)
    except ValueError as error:
        assert "\n" not in str(error)
        assert "Received: " in str(error)
        assert path.name in str(error)
        return str(error)
    return None


def is_damaged(path):
    expected = f"{path.name} must be a whole safetensors file. Received: {path}"
    return read_all(path).startswith(expected)


def test_a_file_that_is_cut_anywhere_is_an_error(path):
    content = path.read_bytes()
    for end in range(0, len(content), 3):
        path.write_bytes(content[:end])
        assert is_damaged(path)


def test_a_file_with_wrong_bytes_anywhere_is_read_or_an_error(path):
    content = path.read_bytes()
    chance = random.Random(0)
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] = chance.choice(b'0123456789",:[]{}aF\n\\\x00\xff')
        path.write_bytes(damaged)
        read_all(path)


def write(path, header, content=b"", length=None):
    """Writes a file with any header, and whatever length it gives itself."""
    length = len(header) if length is None else length
    path.write_bytes(length.to_bytes(8, "little") + header + content)


def tensors(**entries):
    """A header with tensors of some type, shape and place."""
    names = ("dtype", "shape", "data_offsets")
    header = {k: dict(zip(names, e, strict=True)) for k, e in entries.items()}
    return json.dumps(header).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"5",
        b"null",
        b"[]",
        b"no JSON",
        b'{"\xff": 1}',
        b'{"a":' * 10**5,
        tensors(a=("F32", [2], [0, 12])),
        tensors(a=("F32", [2], [8, 0])),
        tensors(a=("F32", [2], [4, 12])),
        tensors(a=("F32", [2], [0, 800])),
        tensors(a=("F32", [1], [0, 4]), b=("F32", [2], [0, 8])),
        tensors(a=("F32", [-2], [0, 8])),
        tensors(a=("F33\n", [2], [0, 8])),
        tensors(a=("F32", [2**40, 2**40], [0, 8])),
        tensors(a=("U8", [8], [0, 8]), b=("F32", [0, 2**62], [8, 8])),
    ],
)
def test_a_header_that_is_wrong_is_an_error(path, header):
    write(path, header, bytes(8))
    assert is_damaged(path)


@pytest.mark.parametrize("length", [3, 99, 2**40, 2**63])
def test_a_header_of_another_length_is_an_error(path, length):
    write(path, b"{}", length=length)
    assert is_damaged(path)


def test_a_type_that_no_weight_has_is_an_error(path):
    write(path, tensors(**{"a\n": ("F8_E4M3", [8], [0, 8])}), bytes(8))
    assert r"Received: 'a\n' in model.safetensors of type F8" in read_all(path)


def test_a_file_that_shrinks_after_it_was_opened_is_an_error(path):
    opened = SafetensorsFile(path)
    path.write_bytes(path.read_bytes()[:-1])
    last = max(TENSORS, key=lambda x: opened._header[x]["data_offsets"])
    with pytest.raises(
        ValueError, match=f"ends within '{last}'. Load it again"
    ):
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
