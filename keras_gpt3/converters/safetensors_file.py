"""A safetensors file, read in pieces that do not stay in memory."""

import json
import math
import pathlib

import numpy as np

from keras_gpt3.converters.stored_dtypes import numpy_dtype
from keras_gpt3.echoed_value import echoed
from keras_gpt3.needed_packages import needed_packages


class SafetensorsFile:
    """Opens a safetensors file for reading some rows of a tensor at a time.

    The safetensors library checks the whole header first; the bytes are then
    read plainly. Its own reading maps the file, and every page it has touched
    counts as memory of the process.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._first_byte, self._header = _read_header(self.path)
        self.shapes = {
            name: tuple(entry["shape"]) for name, entry in self._header.items()
        }

    def read(self, name, start=0, end=None):
        """Reads a tensor, or some rows of it."""
        entry, shape = self._header[name], self.shapes[name]
        dtype = numpy_dtype(entry["dtype"], f"{name!r} in {self.path.name}")
        offset = self._first_byte + entry["data_offsets"][0]
        if shape:
            start, end, _ = slice(start, end).indices(shape[0])
            offset += start * math.prod(shape[1:]) * dtype.itemsize
            shape = (end - start, *shape[1:])
        try:
            rows = np.empty(shape, dtype)
        except ValueError as error:  # Without a number, it may have any shape.
            raise _damaged(self.path, f"{name!r}: {error}") from error
        with self.path.open("rb") as file:
            file.seek(offset)
            if file.readinto(_bytes_of(rows)) != rows.nbytes:
                raise ValueError(
                    f"{self.path.name} must not change while it is read. "
                    f"Received: {self.path}, which ends within {echoed(name)}. "
                    "Load it again."
                )
        return rows


def _read_header(path):
    """The position of the first tensor's first byte, and the entries."""
    need = "Reading safetensors files must find the package safetensors"
    with needed_packages(need, "convert"):
        from safetensors import SafetensorError
        from safetensors import safe_open
    try:
        # It checks sizes, offsets and that the file ends where they end.
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise _damaged(path, error) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return 8 + length, header


def _damaged(path, reason):
    """The error for a file that is not what it should be."""
    return ValueError(
        f"{path.name} must be a whole safetensors file. Received: {path} "
        f"({' '.join(str(reason).split())}). Download it again, for it may be "
        "cut short."
    )


def _bytes_of(array):
    """The memory of an array, to be filled; bfloat16 has no buffer itself."""
    return memoryview(array.reshape(-1).view(np.uint8))
