"""JSON to arrays and back, as TensorFlow Serving writes it; errors in it."""

import base64
import binascii
import json

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.tokenization.tokenizer_inputs import INVALID_UTF8
from keras_gpt3.tokenization.tokenizer_inputs import check_text

# A row of a cache has four, in an object in a list.
_MAX_DEPTH = 16


def parse_body(body, known, refused_later=()):
    """Read a body; what is refused for a reason of its own is not named."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"an invalid byte in the body at index={error.start}".join(
                INVALID_UTF8
            )
        ) from None
    try:
        request = json.loads(text)
    # Numbers of thousands of digits, and lists thousands deep.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"The body must be JSON. Received: {_reason(error)}. Check its "
            "quotes and brackets."
        ) from None
    _check_depth(request)
    if not isinstance(request, dict):
        raise ValueError(
            "The body must be a JSON object. Received: "
            f"{type(request).__name__}. Put it in braces, under one of "
            f"{', '.join(known)}."
        )
    keys = [key for key in request if key not in refused_later]
    check_keys("The body's keys", keys, known)
    return request


def check_keys(what, keys, known):
    """Raise if there is a key that is not known."""
    unknown = [key for key in keys if key not in known]
    if unknown:
        # Escaped: a lone surrogate could not be sent back.
        received = ", ".join(ascii(key)[1:-1] for key in unknown)
        raise ValueError(
            f"{what} must be among {', '.join(known)}. Received: "
            f"{received:.80}. Check the spelling."
        )


def _check_depth(value):
    """Raise for deeper lists than any input's: reading them recurses."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(
        f"Lists and objects of a body must be at most {_MAX_DEPTH} deep. "
        "Received: deeper ones. Remove brackets."
    )


def _reason(error):
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at index={error.pos}"
    if isinstance(error, RecursionError):
        return "lists or objects too deep"
    return "a number of too many digits"


# === Arrays ===


_KINDS = {"b": "booleans", "i": "integers", "f": "numbers", "O": "strings"}


def array_from_json(name, value, dtype):
    """Turn nested lists into an array."""
    nested = np.array(value, object)
    leaves = [leaf_from_json(name, leaf, dtype) for leaf in nested.flat]
    array = np.empty(len(leaves), dtype)
    array[:] = leaves
    return array.reshape(nested.shape)


def leaf_from_json(name, value, dtype):
    """Turn one value of a JSON into one of an array."""
    if isinstance(value, list):
        raise ValueError(
            f"Lists of {name} must have one length at each depth. Received: "
            "lists of different lengths. Pad them."
        )
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
            f"{name}={echoed(value)}. Pass an integer from {limits.min} to "
            f"{limits.max}."
        )
    if kind == "f" and isinstance(value, (int, float)) and not is_bool:
        return float(value)
    raise _wrong_type(name, value, dtype)


def json_from_array(name, array):
    """Turn an array into values of a JSON."""
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


def _string(name, value):
    if isinstance(value, str):
        check_text(value)
        return value.encode()
    if is_bytes_object(value) and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                f"b64 must be base64. Received: {name}={echoed(value)}. Pass "
                "plain strings as they are."
            ) from None
    raise _wrong_type(name, value, np.dtype(object))


def _wrong_type(name, value, dtype):
    return ValueError(
        f"{name} must be {_KINDS[_kind(dtype)]}. Received: "
        f"{name}={echoed(value)}. Check the type of each value."
    )


def _written(value, as_bytes):
    if isinstance(value, list):
        return [_written(part, as_bytes) for part in value]
    if not as_bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass  # JSON has no other way to say bytes.
    return {"b64": base64.b64encode(value).decode()}


# === Answers ===


def json_text(value):
    """Write a value, list by list.

    Python's own writer does not release the interpreter: on millions of
    numbers it would block the event loop's thread for seconds.
    """
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {json_text(part)}"
            for key, part in value.items()
        ]
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return f"[{', '.join(map(json_text, value))}]"
    return json.dumps(value, ensure_ascii=False)


# nginx' status for a client that has gone; it is logged, not received.
CLIENT_GONE = 499


class RequestError(Exception):
    """An error with the HTTP status that answers it.

    OpenAI's form has the name of an option as well, `param`, and a `code`.
    """

    def __init__(self, status, message, headers=None, param=None, code=None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.param = param
        self.code = code


def is_openai_path(path):
    """Whether a path is one of OpenAI's, whose errors have its form.

    Those of one model are TensorFlow Serving's.
    """
    return path.startswith("/v1/") and not path.startswith("/v1/models/")


def error_body(path, error):
    """What answers an error: OpenAI's object, or TensorFlow Serving's."""
    if not is_openai_path(path):
        return {"error": str(error)}
    kind, code = "invalid_request_error", error.code
    if error.status == 429:
        kind, code = "rate_limit_error", "rate_limit_exceeded"
    elif error.status >= 500:
        kind = "server_error"
    return {
        "error": {
            "message": str(error),
            "type": kind,
            "param": error.param,
            "code": code,
        }
    }


def unexpected_error(error):
    """The answer to what should not happen."""
    return RequestError(
        500,
        "A request must not fail. Received: "
        f"{type(error).__name__}. See the server's log.",
    )
