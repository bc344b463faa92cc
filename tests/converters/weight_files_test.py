import json
import math
import os
import pathlib
import pickle
import re
import sys
import types
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_gpt3.converters import weight_files
from keras_gpt3.converters.weight_files import PickledWeights
from keras_gpt3.converters.weight_files import find_weights
from keras_gpt3.converters.weight_files import open_weights
from tests.converters.needs_torch import needs_torch

# === Weight files ===


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


# === Pickled weights ===


def test_without_torch_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        ImportError,
        match=r"pytorch_model\.bin must find the package torch.*pip install "
        "torch, or",
    ):
        PickledWeights(tmp_path / "pytorch_model.bin")


def test_only_weights_are_ever_asked_for(tmp_path, monkeypatch):
    asked = []

    def load(path, **options):
        asked.append(options)
        return {}

    torch = types.SimpleNamespace(load=load, Tensor=np.ndarray)
    monkeypatch.setitem(sys.modules, "torch", torch)
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    PickledWeights(tmp_path / "pytorch_model.bin")
    assert asked == [
        {"map_location": "cpu", "weights_only": True, "mmap": False}
    ]


# === With torch ===


class RunsCode:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (self.path,))


def save(path, content, **options):
    import torch

    torch.save(content, path, **options)
    return path


@needs_torch
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_read_as_torch_wrote_them(tmp_path, zipped):
    import torch

    tensors = {
        "matrix": torch.arange(12.0).reshape(4, 3),
        "turned": torch.arange(12.0).reshape(4, 3).T,
        "half": torch.arange(5).half(),
        "brain": torch.arange(6).reshape(3, 2).bfloat16(),
        "number": torch.tensor(2),
    }
    opened = PickledWeights(
        save(tmp_path / "a.bin", tensors, _use_new_zipfile_serialization=zipped)
    )
    for name, tensor in tensors.items():
        assert opened.shapes[name] == tuple(tensor.shape)
        read = opened.read(name)
        assert str(read.dtype) == str(tensor.dtype).removeprefix("torch.")
        assert read.astype("float64").tolist() == tensor.tolist()
    np.testing.assert_array_equal(
        opened.read("matrix", 1, 3), tensors["matrix"][1:3].numpy()
    )


@needs_torch
def test_a_file_is_mapped_anew_now_and_then(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(weight_files, "_PART", 0)
    opened = PickledWeights(save(tmp_path / "a.bin", {"a": torch.ones(3)}))
    tensors = opened._tensors
    assert opened.read("a").tolist() == [1, 1, 1]
    assert opened.read("a").tolist() == [1, 1, 1]
    assert opened._tensors is not tensors


@needs_torch
def test_a_pickle_with_code_is_refused_and_never_run(tmp_path):
    path = save(tmp_path / "a.bin", {"a": RunsCode(tmp_path / "ran")})
    with pytest.raises(
        ValueError, match="a.bin must hold tensors alone.*in safetensors files"
    ) as error:
        PickledWeights(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@needs_torch
@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickle_that_torch_did_not_write_is_refused_unread(
    tmp_path, protocol
):
    path = tmp_path / "a.bin"
    path.write_bytes(pickle.dumps(RunsCode(tmp_path / "ran"), protocol))
    with pytest.raises(
        ValueError, match="must be a PyTorch file.* begins as another pickle. "
    ):
        PickledWeights(path)
    assert not (tmp_path / "ran").exists()


@needs_torch
def test_a_page_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"<html><head>Not found</head></html>")
    with pytest.raises(ValueError, match="which begins as b'<html><head>No"):
        PickledWeights(tmp_path / "a.bin")


@needs_torch
@pytest.mark.parametrize(
    ("code", "name"),
    [(print, "print"), (os.system, "posix.system"), (RunsCode, "RunsCode")],
)
def test_a_refusal_names_the_code(tmp_path, code, name):
    with pytest.raises(ValueError, match=f"with '[\\w.]*{name}' in it. Use"):
        PickledWeights(save(tmp_path / "a.bin", {"a": code}))


def read_all(path):
    """Reads what a file holds; errors must be of one line that names it."""
    try:
        opened = PickledWeights(path)
        for name, shape in opened.shapes.items():
            if math.prod(shape) < 10**6:
                opened.read(name)
    except ValueError as error:
        assert "\n" not in str(error)
        assert f"Received: {path}" in str(error)
        return str(error)
    return None


@needs_torch
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_is_cut_anywhere_is_an_error(tmp_path, zipped):
    import torch

    tensors = {"a": torch.ones(3000)}
    path = tmp_path / "a.bin"
    save(path, tensors, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    ends = {*range(0, 1000, 13), *range(1000, len(content), 997)}
    for end in ends | {len(content) - 1}:
        path.write_bytes(content[:end])
        # One that ends amid a name asks for what is not allowed.
        assert re.search("must (be a whole|hold tensors)", read_all(path))


@needs_torch
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_a_wrong_byte_anywhere_is_read_or_an_error(
    tmp_path, zipped
):
    import torch

    path = tmp_path / "a.bin"
    tensors = {"a": torch.ones(8)}
    save(path, tensors, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 + place % 255
        path.write_bytes(damaged)
        read_all(path)


@needs_torch
def test_an_archive_of_something_else_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.bin", "w") as archive:
        archive.writestr("a/text", "")
    assert "must be a whole PyTorch file" in read_all(tmp_path / "a.bin")


@needs_torch
def test_what_the_system_refuses_stays_its_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.bin"):
        PickledWeights(tmp_path / "a.bin")
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        PickledWeights(tmp_path)


@needs_torch
@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([1], "an object of type list"),
        ({"a": 1}, "'a' of type int"),
        ({"state_dict": {}, "epoch": 1}, "'state_dict' of type dict"),
        ({1: 1}, "the key 1"),
        (3, "an object of type int"),
    ],
)
def test_anything_but_named_tensors_is_an_error(tmp_path, content, named):
    with pytest.raises(
        ValueError, match=f"must hold tensors by name.* with {named}. Save the"
    ):
        PickledWeights(save(tmp_path / "a.bin", content))


@needs_torch
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float8_e4m3fn"}, "float8_e4m3fn (torch.strided, on cpu)"),
        ({"dtype": "complex64"}, "complex64 (torch.strided, on cpu)"),
        ({"device": "meta"}, "float32 (torch.strided, on meta)"),
        ({"layout": "sparse_coo"}, "float32 (torch.sparse_coo, on cpu)"),
    ],
)
def test_a_tensor_without_usual_numbers_is_an_error(tmp_path, options, words):
    import torch

    for option in {"dtype", "layout"} & set(options):
        options = options | {option: getattr(torch, options[option])}
    path = save(tmp_path / "a.bin", {"a": torch.zeros(2, **options)})
    message = f"Received: {path} with 'a' of {words}. Save it as float32."
    with pytest.raises(ValueError, match=re.escape(message)):
        PickledWeights(path)
