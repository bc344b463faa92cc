import pathlib
import sys
import types

import numpy as np
import pytest

from keras_gpt3.converters import pickled_weights
from keras_gpt3.converters.pickled_weights import PickledWeights
from tests.converters.needs_torch import needs_torch


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
    (tmp_path / "pytorch_model.bin").write_bytes(b"0")
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

    monkeypatch.setattr(pickled_weights, "_PART", 0)
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
@pytest.mark.parametrize("length", [0, 50, -1])
def test_a_file_that_is_cut_short_is_an_error(tmp_path, length):
    import torch

    path = save(tmp_path / "a.bin", {"a": torch.ones(300)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="a.bin must .* Received: ") as error:
        PickledWeights(path)
    assert "\n" not in str(error.value)


@needs_torch
@pytest.mark.parametrize("content", [[1], {"a": 1}, {1: 1}, 3])
def test_anything_but_named_tensors_is_an_error(tmp_path, content):
    with pytest.raises(ValueError, match="must hold tensors by name"):
        PickledWeights(save(tmp_path / "a.bin", content))


@needs_torch
def test_a_sparse_tensor_is_an_error(tmp_path):
    import torch

    path = save(tmp_path / "a.bin", {"a": torch.eye(2).to_sparse()})
    with pytest.raises(ValueError, match="dense tensors. Received: a, which"):
        PickledWeights(path)
