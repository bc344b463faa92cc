"""A checkpoint in Hugging Face's layout, written."""

import dataclasses
import json
import math
import pathlib
import typing

import huggingface_hub
import ml_dtypes
import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.converters.sharded_index import CHECKPOINT_FILES
from keras_gpt3.converters.sharded_index import is_checkpoint_folder
from keras_gpt3.converters.sharded_index import write_json
from keras_gpt3.needed_packages import needed_packages


def write_checkpoint(
    folder,
    config,
    tensors,
    write_more=None,
    overwrite=False,
    max_shard_size=5 * 10**9,
):
    """Write config.json and safetensors files, all of them or none.

    Of a checkpoint that is replaced, other files stay, such as a README.md.
    """

    def may_replace(path):
        return overwrite and is_checkpoint_folder(path)

    with atomic_folder(folder, may_replace, CHECKPOINT_FILES) as temporary:
        write_json(temporary / "config.json", config)
        by_name = {tensor.name: tensor for tensor in tensors}
        _write_weights(temporary, by_name, max_shard_size)
        if write_more is not None:
            write_more(temporary)


def _write_weights(folder, tensors, max_shard_size):
    """One file, or several with an index, as transformers divides them."""
    split = huggingface_hub.split_state_dict_into_shards_factory(
        tensors,
        get_storage_size=lambda tensor: tensor.num_bytes,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=max_shard_size,
    )
    for name, members in split.filename_to_tensors.items():
        write_safetensors(folder / name, [tensors[x] for x in members])
    if split.is_sharded:
        weight_map = split.tensor_to_filename
        index = {"metadata": split.metadata, "weight_map": weight_map}
        write_json(folder / "model.safetensors.index.json", index)


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
        """Read a tensor, or some rows of it."""
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
    """Write tensors into one file, with never more than one in memory.

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
    # bfloat16 is not a type that a file takes.
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


# Little-endian, as the format says.
_NUMPY_TYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _NUMPY_TYPES.items()}


def numpy_dtype(stored, tensor):
    """The numpy type of a tensor in a safetensors file."""
    if stored not in _NUMPY_TYPES:
        raise ValueError(
            f"Tensors must have one of the types {', '.join(_NUMPY_TYPES)}. "
            f"Received: {tensor} of type {stored}. Convert the checkpoint to "
            "float32, float16 or bfloat16."
        )
    return _NUMPY_TYPES[stored]


def stored_name(dtype):
    """The name that safetensors files have for a numpy type."""
    return _NAMES[np.dtype(dtype)]
