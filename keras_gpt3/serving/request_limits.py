"""What a request may ask for, known before anything of it runs."""

import math

import numpy as np

_INT32 = np.iinfo("int32").max


def check_rows(num_rows, settings):
    """Raises if a request has more rows than a batch."""
    if num_rows > settings.max_batch_size:
        raise ValueError(
            f"A request must have at most {settings.max_batch_size} rows. "
            f"Received: rows={num_rows}. Split it, or start the server with a "
            "higher --max-batch-size."
        )


def check_stop(stop, settings):
    """Raises if there are too many stop strings, or too long ones."""
    if len(stop) > settings.max_stop_strings:
        raise ValueError(
            f"stop must have at most {settings.max_stop_strings} strings on "
            f"this server. Received: strings={len(stop)}. Leave some out, or "
            "start it with a higher --max-stop-strings."
        )
    longest = max(map(len, stop), default=0)
    if longest > settings.max_stop_bytes:
        raise ValueError(
            f"A stop string must have at most {settings.max_stop_bytes} bytes "
            f"on this server. Received: bytes={longest}. Shorten it, or start "
            "the server with a higher --max-stop-bytes."
        )


def check_new_tokens(new, limit):
    """Raises if more new tokens are asked for than the server gives."""
    if limit is not None and new > limit:
        raise ValueError(
            f"max_new_tokens must be at most {limit} on this server. Received: "
            f"max_new_tokens={new}. Ask for fewer, or start it with a higher "
            "--max-new-tokens."
        )


def new_tokens(arrays):
    """The new tokens that inputs on token ids ask for, at most.

    Those of `generate_tokens` are the places behind a prompt, those of
    `extend` are counted by two scalars.
    """
    new = 0
    if "padding_mask" in arrays and arrays["padding_mask"].ndim:
        new = (~arrays["padding_mask"]).sum(axis=-1).max(initial=0)
    if "index" in arrays and "end" in arrays:
        index = arrays["index"].min(initial=_INT32)
        new = int(arrays["end"].max(initial=0)) - int(index)
    return int(new)


def least_values(signature, arrays, num_rows):
    """The values that an answer has at least, by the shapes of its outputs.

    A first axis that is unknown is the rows, a later one the length of a row:
    an array of logits is larger than the memory before it could be counted.
    A banded cache may be as short as one position, hence at least.
    """
    length = 1
    if arrays.get("token_ids", np.empty(())).ndim:
        length = arrays["token_ids"].shape[-1]
    if "cache_length" in arrays:
        length = max(1, int(arrays["cache_length"].max(initial=1)))
    total = 0
    for name, spec in signature.outputs.items():
        unknown = [num_rows, 1 if name.startswith("banded") else length]
        shape = [unknown.pop(0) if n is None else n for n in spec.shape]
        total += math.prod(shape)
    return total


def check_values(num_values, most):
    """Raises if an answer has more values than it may."""
    if num_values > most:
        raise ValueError(
            f"An answer must have at most {most} values. Received: "
            f"values={num_values}. Send fewer or shorter rows, or start the "
            "server with a higher --max-answer-values."
        )
