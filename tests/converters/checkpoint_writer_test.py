import json
import random
import re
import sys
import weakref

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from keras_gpt3.converters.checkpoint_writer import SafetensorsFile
from keras_gpt3.converters.checkpoint_writer import TensorToStore
from keras_gpt3.converters.checkpoint_writer import numpy_dtype
from keras_gpt3.converters.checkpoint_writer import stored_name
from keras_gpt3.converters.checkpoint_writer import write_checkpoint
from keras_gpt3.converters.checkpoint_writer import write_safetensors
from keras_gpt3.converters.weight_files import open_weights

# === Checkpoint writer ===


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


# === Safetensors file ===


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


def file_tensors(**entries):
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
        file_tensors(a=("F32", [2], [0, 12])),
        file_tensors(a=("F32", [2], [8, 0])),
        file_tensors(a=("F32", [2], [4, 12])),
        file_tensors(a=("F32", [2], [0, 800])),
        file_tensors(a=("F32", [1], [0, 4]), b=("F32", [2], [0, 8])),
        file_tensors(a=("F32", [-2], [0, 8])),
        file_tensors(a=("F33\n", [2], [0, 8])),
        file_tensors(a=("F32", [2**40, 2**40], [0, 8])),
        file_tensors(a=("U8", [8], [0, 8]), b=("F32", [0, 2**62], [8, 8])),
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
    write(
        path,
        file_tensors(**{"a\n": ("F8_E4M3", [8], [0, 8])}),
        bytes(8),
    )
    assert r"Received: 'a\n' in model.safetensors of type F8" in read_all(path)


def test_a_file_that_shrinks_after_it_was_opened_is_an_error(path):
    opened = SafetensorsFile(path)
    path.write_bytes(path.read_bytes()[:-1])
    last = max(TENSORS, key=lambda x: opened._header[x]["data_offsets"])
    message = (
        f"{path.name} must not change while it is read. Received: {path}, "
        f"which ends within '{last}'. Load it again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
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


# === Safetensors writer ===


def to_store(name, array):
    return TensorToStore(name, array.shape, str(array.dtype), lambda: array)


WRITTEN_ARRAYS = {
    "matrix": np.arange(6, dtype="float32").reshape(3, 2),
    "turned": np.arange(6, dtype="float32").reshape(3, 2).T,
    "half": np.arange(3, dtype="float16"),
    "number": np.array(2, "float64"),
}


def test_the_library_reads_what_is_written(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, [to_store(n, a) for n, a in WRITTEN_ARRAYS.items()])
    read = load_file(path)
    assert read.keys() == WRITTEN_ARRAYS.keys()
    for name, array in WRITTEN_ARRAYS.items():
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


# === Stored dtypes ===


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        ("F64", np.float64),
        ("F32", np.float32),
        ("F16", np.float16),
        ("BF16", ml_dtypes.bfloat16),
        ("BOOL", np.bool_),
    ],
)
def test_names_and_numpy_s_types_stand_for_each_other(stored, dtype):
    assert numpy_dtype(stored, "a") == dtype
    assert stored_name(dtype) == stored


def test_a_type_can_be_given_by_its_name():
    assert stored_name("bfloat16") == "BF16"


def test_a_dtype_that_no_weight_has_cannot_be_stored():
    message = (
        "Tensors must have one of the types F64, F32, F16, BF16, I64, I32, "
        "I16, I8, U8, BOOL. Received: a of type F8_E4M3. Convert the "
        "checkpoint to float32, float16 or bfloat16."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        numpy_dtype("F8_E4M3", "a")
