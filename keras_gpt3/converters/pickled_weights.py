"""Weights in a PyTorch pickle, read without running what it says."""

import math
import pathlib
import pickle
import zipfile

import ml_dtypes
import numpy as np

# What has been read of a mapped file stays in memory until it is closed: so it
# is opened anew after this part of it.
_PART = 1 / 64


class PickledWeights:
    """Opens a `pytorch_model.bin` for reading some rows of a tensor at a time.

    Only with torch's `weights_only=True`, which refuses all but tensors: any
    other reading of a pickle runs whatever code is in it.

    Args:
        path: string or path.

    Attributes:
        shapes: dict. The shape of each tensor, a tuple of ints, by its name.

    Raises:
        ImportError: If torch is not installed.
        OSError: If the file cannot be read.
        ValueError: If it holds anything but named dense tensors, or is not
            whole.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._tensors = _load(self.path)
        self._bytes_read = 0
        whole = not _is_zip(self.path)  # Then it is in memory, not mapped.
        size = self.path.stat().st_size
        self._most_bytes = math.inf if whole else _PART * size
        self.shapes = {n: tuple(t.shape) for n, t in self._tensors.items()}

    def read(self, name, start=0, end=None):
        """Reads a tensor, or some rows of it.

        Args:
            name: string.
            start: int. The first row, on axis 0. Defaults to `0`.
            end: int. The row behind the last. Defaults to `None`, all rows.

        Returns:
            A numpy array of the type that is stored.
        """
        if self._bytes_read > self._most_bytes:
            self._tensors = None
            self._tensors = _load(self.path)
            self._bytes_read = 0
        tensor = self._tensors[name]
        rows = _as_array(tensor[start:end] if tensor.ndim else tensor)
        self._bytes_read += rows.nbytes
        return rows


def _load(path):
    """The tensors of a file by name."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"Reading {path.name} must find the package torch. Received: "
            f"{error}. Install it with pip install torch, or use a checkpoint "
            "in safetensors files."
        ) from error
    try:
        # The older of the two formats, which is no zip file, cannot be mapped.
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=_is_zip(path)
        )
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path.name} must hold tensors alone, for a pickle could run any "
            f"code. Received: {path} ({_first_line(error)}). Use a checkpoint "
            "in safetensors files."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path.name} must be a whole PyTorch file. Received: {path} "
            f"({_first_line(error)}). Download it again, for it may be cut "
            "short."
        ) from error
    _check_tensors(content, path)
    return {name: tensor.detach() for name, tensor in content.items()}


def _is_zip(path):
    return zipfile.is_zipfile(path)


def _check_tensors(content, path):
    """Raises unless a file's content is a dict of dense tensors."""
    import torch

    named = isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in content.items()
    )
    if not named:
        raise ValueError(
            f"{path.name} must hold tensors by name. Received: {path} with "
            "something else. Save the model's state_dict."
        )
    for name, tensor in content.items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError(
                f"{path.name} must hold dense tensors. Received: {name}, which "
                f"is {tensor.layout} of {tensor.dtype}. Save it as float32."
            )


def _as_array(tensor):
    """A numpy array of its own with a tensor's numbers."""
    import torch

    tensor = tensor.contiguous()
    if tensor.dtype == torch.bfloat16:
        array = tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    else:
        array = tensor.numpy()
    return np.array(array)


def _first_line(error):
    """What went wrong, without torch's advice to trust the file."""
    return str(error).strip().split("\n")[0][:200].split(". ")[0]
