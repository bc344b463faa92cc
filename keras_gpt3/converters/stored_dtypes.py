"""The names of number types in safetensors files, and numpy's for them."""

import ml_dtypes
import numpy as np

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
