"""Values of a JSON to arrays and back, as TensorFlow Serving writes them."""

import base64
import binascii

import numpy as np

from keras_gpt3.tokenization.text_check import check_text

_KINDS = {"b": "booleans", "i": "integers", "f": "numbers", "O": "strings"}


def array_from_json(name, value, dtype):
    """Turns nested lists into an array."""
    shape, innermost = [], value
    while isinstance(innermost, list):
        shape.append(len(innermost))
        innermost = innermost[0] if innermost else None
    leaves = _flat(name, value, shape)
    values = [leaf_from_json(name, leaf, dtype) for leaf in leaves]
    array = np.empty(len(values), dtype)
    array[:] = values
    return array.reshape(shape)


def leaf_from_json(name, value, dtype):
    """Turns one value of a JSON into one of an array."""
    kind = _kind(dtype)
    if kind == "O":
        return _string(name, value)
    is_bool = isinstance(value, bool)
    if kind == "b" and is_bool:
        return value
    if kind == "i" and isinstance(value, int) and not is_bool:
        limits = np.iinfo(dtype)
        if limits.min <= value <= limits.max:
            return value
        raise ValueError(
            f"{name} must fit {limits.bits} bits. Received: "
            f"{name}={_short(value)}. Pass an integer from {limits.min} to "
            f"{limits.max}."
        )
    if kind == "f" and isinstance(value, (int, float)) and not is_bool:
        return float(value)
    raise _wrong_type(name, value, dtype)


def json_from_array(name, array):
    """Turns an array into values of a JSON."""
    values = array.tolist()
    if array.dtype != object:
        return values
    return _written(values, as_bytes=name.endswith("_bytes"))


def is_bytes_object(value):
    """Whether a value of a JSON stands for bytes."""
    return isinstance(value, dict) and list(value) == ["b64"]


def _kind(dtype):
    # numpy calls types that it does not know, such as bfloat16, void.
    return "f" if dtype.kind == "V" else dtype.kind


def _flat(name, value, shape):
    if not shape:
        if isinstance(value, list):
            raise _ragged(name)
        return [value]
    if not isinstance(value, list) or len(value) != shape[0]:
        raise _ragged(name)
    return [leaf for part in value for leaf in _flat(name, part, shape[1:])]


def _ragged(name):
    return ValueError(
        f"Lists of {name} must have one length at each depth. Received: lists "
        "of different lengths. Pad them."
    )


def _string(name, value):
    if isinstance(value, str):
        check_text(value)
        return value.encode()
    if is_bytes_object(value) and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                f"b64 must be base64. Received: {name}={_short(value)}. Pass "
                "plain strings as they are."
            ) from None
    raise _wrong_type(name, value, np.dtype(object))


def _wrong_type(name, value, dtype):
    return ValueError(
        f"{name} must be {_KINDS[_kind(dtype)]}. Received: "
        f"{name}={_short(value)}. Check the type of each value."
    )


def _short(value):
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:47]}..."


def _written(value, as_bytes):
    if isinstance(value, list):
        return [_written(part, as_bytes) for part in value]
    if not as_bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass  # JSON has no other way to say bytes.
    return {"b64": base64.b64encode(value).decode()}
