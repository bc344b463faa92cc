"""JSON in and out, and errors that answer in it."""

import json

from keras_gpt3.tokenization.text_check import INVALID_UTF8

# A row of a cache has four, in an object in a list.
_MAX_DEPTH = 16


def parse_body(body, known):
    """Reads a body."""
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
    check_keys("The body's keys", request, known)
    return request


def check_keys(what, keys, known):
    """Raises if there is a key that is not known."""
    unknown = [key for key in keys if key not in known]
    if unknown:
        # Not as it came: a lone surrogate could not be sent back.
        received = ", ".join(ascii(key)[1:-1] for key in unknown)
        raise ValueError(
            f"{what} must be among {', '.join(known)}. Received: "
            f"{received:.80}. Check the spelling."
        )


def _check_depth(value):
    """Raises at lists in lists that no input has: what reads them recurses."""
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


def json_text(value):
    """Writes a value, list by list.

    Python's own writer is not interrupted: on millions of numbers it would
    keep the thread that talks HTTP waiting for seconds.
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


# As others write it; nobody reads it.
CLIENT_GONE = 499


class RequestError(Exception):
    """What a client is told, and the status to tell it with."""

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
