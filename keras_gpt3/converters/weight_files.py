"""The weights in a folder, whichever files hold them."""

import errno
import math
import pathlib
import pickle
import re
import struct
import warnings
import zipfile

import ml_dtypes
import numpy as np

from keras_gpt3.converters.checkpoint_writer import SafetensorsFile
from keras_gpt3.converters.sharded_index import check_shards
from keras_gpt3.converters.sharded_index import read_index

# What has been read of a mapped file stays in memory until it is closed: so it
# is opened anew after this part of it.
_PART = 1 / 64
# Torch takes a file as it comes, so that damage shows as any of these. A lack
# of memory is not damage: MemoryError is not among them.
_SIGNS_OF_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
)
# How torch's older files begin, after a byte for the pickle's protocol.
_OLD_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_TYPES = (
    *("float64", "float32", "float16", "bfloat16"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)


class PickledWeights:
    """Opens a `pytorch_model.bin` for reading some rows of a tensor at a time.

    Only with torch's `weights_only=True`, which refuses all but tensors: any
    other reading of a pickle runs whatever code is in it.
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
        """Read a tensor, or some rows of it."""
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
    _check_beginning(path)
    try:
        with warnings.catch_warnings():
            # What torch cannot read of another protocol is an error below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            # The older of the two formats, no zip file, cannot be mapped.
            content = torch.load(
                path, map_location="cpu", weights_only=True, mmap=_is_zip(path)
            )
    except _SIGNS_OF_DAMAGE as error:
        raise _refusal(path, error) from error
    except OSError as error:
        # A place before the beginning of a file that was cut short.
        if error.errno != errno.EINVAL:
            raise
        raise _refusal(path, error) from error
    _check_tensors(content, path)
    return {name: tensor.detach() for name, tensor in content.items()}


def _check_beginning(path):
    """Raise at a file that was never written by torch, whole or not."""
    with path.open("rb") as file:
        head = file.read(2 + len(_OLD_MAGIC))
    is_zip = head.startswith(b"PK")
    is_old = head[:1] == b"\x80" and _OLD_MAGIC.startswith(head[2:])
    if head and not is_zip and not is_old:
        kind = "another pickle" if head[:1] == b"\x80" else repr(head)
        raise ValueError(
            f"{path.name} must be a PyTorch file of tensors. Received: {path}, "
            f"which begins as {kind}. Download it again, or save the model's "
            "state_dict with torch.save."
        )


def _refusal(path, error):
    """The error for a file that torch does not read."""
    name = re.search(r"GLOBAL (\S+)", str(error))
    if name and isinstance(error, pickle.UnpicklingError):
        return ValueError(
            f"{path.name} must hold tensors alone, for a pickle could run any "
            f"code. Received: {path} with {name.group(1)!r:.80} in it. Use a "
            "checkpoint in safetensors files."
        )
    return ValueError(
        f"{path.name} must be a whole PyTorch file. Received: {path} "
        f"({_first_line(error)}). Download it again, for it may be cut short."
    )


def _is_zip(path):
    return zipfile.is_zipfile(path)


def _check_tensors(content, path):
    """Raise unless a file's content is a dict of dense tensors."""
    import torch

    other = _what_else(content)
    if other is not None:
        raise ValueError(
            f"{path.name} must hold tensors by name. Received: {path} with "
            f"{other}. Save the model's state_dict."
        )
    for name, tensor in content.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        dense = tensor.layout == torch.strided and not tensor.is_meta
        if not dense or dtype not in _TYPES:
            raise ValueError(
                f"{path.name} must hold dense tensors of {', '.join(_TYPES)}. "
                f"Received: {path} with {name!r:.80} of {dtype} "
                f"({tensor.layout}, on {tensor.device}). Save it as float32."
            )


def _what_else(content):
    """What of a file's content is not a named tensor; `None` if all are."""
    import torch

    if not isinstance(content, dict):
        return f"an object of type {type(content).__name__}"
    for name, tensor in content.items():
        if not isinstance(name, str):
            return f"the key {name!r:.80}"
        if not isinstance(tensor, torch.Tensor):
            return f"{name!r:.80} of type {type(tensor).__name__}"
    return None


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
    text = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    line = text.split("\n")[0][:200].split(". ")[0].rstrip(".")
    # A damaged file's bytes get into the text.
    line = "".join(filter(str.isprintable, line))
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


# In order of preference: one file, or the index of several, and its reader.
LAYOUTS = (
    ("model.safetensors", SafetensorsFile),
    ("model.safetensors.index.json", SafetensorsFile),
    ("pytorch_model.bin", PickledWeights),
    ("pytorch_model.bin.index.json", PickledWeights),
)
# Of files under other names, to say why a folder is not read.
_WEIGHT_SUFFIXES = (".safetensors", ".h5", ".msgpack", ".pth", ".gguf", ".onnx")


class WeightFiles:
    """Tensors by name, out of one or several files."""

    def __init__(self, files):
        self._files = files
        self.shapes = {name: f.shapes[name] for name, f in files.items()}

    def read(self, name, start=0, end=None):
        """Read a tensor, or some rows of it."""
        return self._files[name].read(name, start, end)


def find_weights(folder):
    """The name of the file, or index, from which weights would be read."""
    folder = pathlib.Path(folder)
    for name, _ in LAYOUTS:
        # A link to nowhere is reported when it is opened, not passed over.
        if (folder / name).exists() or (folder / name).is_symlink():
            return name
    return None


def open_weights(folder):
    """Open the weights of a folder in Hugging Face's layout."""
    folder = pathlib.Path(folder)
    name = find_weights(folder)
    if name is None:
        raise ValueError(
            f"The folder must hold weights: {_looked_for()}. Received: "
            f"{folder}{_instead(folder)}. Download them, or pass "
            "load_weights=False for new ones."
        )
    open_file = dict(LAYOUTS)[name]
    if not name.endswith(".index.json"):
        file = open_file(folder / name)
        return WeightFiles(dict.fromkeys(file.shapes, file))
    index = read_index(folder / name)
    shards = {s: open_file(folder / s) for s in sorted(set(index.values()))}
    check_shards(index, {s: f.shapes for s, f in shards.items()}, folder / name)
    return WeightFiles({tensor: shards[s] for tensor, s in index.items()})


def _looked_for():
    *others, last = (name for name, _ in LAYOUTS)
    return f"{', '.join(others)} or {last}"


def _instead(folder):
    """Words for the weights in a folder that are not read."""
    paths = sorted(folder.glob("*"))
    names = [path.name for path in paths if path.suffix in _WEIGHT_SUFFIXES]
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f" with {names[0]}{more} instead"
