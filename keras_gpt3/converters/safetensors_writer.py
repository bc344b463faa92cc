"""A safetensors file, written one tensor at a time."""

import dataclasses
import json
import math
import typing

import numpy as np

from keras_gpt3.converters.stored_dtypes import stored_name


@dataclasses.dataclass(frozen=True)
class TensorToStore:
    """A tensor that is made when its turn comes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    make: typing.Callable

    @property
    def num_bytes(self):
        """Its bytes in the file."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def write_safetensors(path, tensors):
    """Writes tensors into one file, with never more than one in memory.

    The safetensors library wants all of them at once.
    """
    with path.open("xb") as file:
        file.write(_header(tensors))
        for tensor in tensors:
            _write_tensor(file, tensor)


def _write_tensor(file, tensor):
    # A function of its own, so that one is gone before the next is made.
    array = np.asarray(tensor.make(), tensor.dtype, order="C")
    if array.shape != tensor.shape:
        raise ValueError(
            f"{tensor.name} must have the shape {tensor.shape}. Received: "
            f"{array.shape}. Write it with its own shape."
        )
    # bfloat16 is no type that a file takes.
    file.write(memoryview(array.reshape(-1).view(np.uint8)))


def _header(tensors):
    """The length of the table of contents, and the table."""
    # "pt" says by whose names the tensors are called; transformers asks.
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        start, end = end, end + tensor.num_bytes
        header[tensor.name] = {
            "dtype": stored_name(tensor.dtype),
            "shape": tensor.shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # The numbers begin at a multiple of 8.
    return len(text).to_bytes(8, "little") + text
