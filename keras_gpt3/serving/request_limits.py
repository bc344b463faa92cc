"""How much a request may ask for: tokens, bytes, values of its answer."""

import math

import numpy as np

from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import too_long_message


def new_tokens(arrays):
    """The most new tokens that inputs on token ids request.

    For `generate_tokens` the positions after a prompt; `extend` has two
    scalars.
    """
    if "padding_mask" in arrays:
        return int((~arrays["padding_mask"]).sum(axis=-1).max(initial=0))
    return int(arrays.get("end", 0)) - int(arrays.get("index", 0))


def check_new_tokens(new, limit):
    """Raise if more new tokens are requested than the server allows."""
    if limit is not None and new > limit:
        raise ValueError(
            f"max_new_tokens must be at most {limit} on this server. Received: "
            f"max_new_tokens={new}. Request fewer, or start it with a higher "
            "--max-new-tokens."
        )


def least_values(signature, arrays, num_rows):
    """The minimum number of values in an answer, by its outputs' shapes.

    An unknown first axis is the rows, a later one the length of a row. An array
    of logits may exceed the memory, so it is counted before it is computed. A
    banded cache may be as short as one position: hence a minimum.
    """
    length = arrays["token_ids"].shape[-1] if "token_ids" in arrays else 1
    if "cache_length" in arrays:
        length = max(1, int(arrays["cache_length"]))
    total = 0
    for name, spec in signature.outputs.items():
        unknown = [num_rows, 1 if name.startswith("banded") else length]
        shape = [unknown.pop(0) if n is None else n for n in spec.shape]
        total += math.prod(shape)
    return total


def check_values(num_values, most):
    """Raise if an answer has more values than it may."""
    if num_values > most:
        raise ValueError(
            f"An answer must have at most {most} values. Received: "
            f"values={num_values}. Send fewer or shorter rows, or start the "
            "server with a higher --max-answer-values."
        )


def longest_row(model, name, arrays):
    """Count the tokens of rows, and reject what the graph would reject."""
    texts = [arrays[key] for key in model.signatures[name].required]
    for column in texts:
        check_bytes(model, column)
    lengths = _token_counts(model, texts[0], are_starts=True)
    if name == "score":
        return int(max(lengths + _token_counts(model, texts[1])))
    if not lengths.all():
        raise ValueError("0".join(EMPTY_PROMPT))
    new = arrays["max_new_tokens"].astype("int64")
    # The first tokens are dropped, and at least the last one stays.
    room = np.maximum(1, model.context - new)
    is_cut = (arrays["truncate"] == b"left") & (lengths > room)
    totals = np.where(is_cut, room, lengths) + new
    if totals.max() > model.context:
        total = totals[totals > model.context][0]
        raise ValueError(f"{total}".join(too_long_message(model.context)))
    return int(totals.max())


def check_bytes(model, texts):
    """Reject texts longer than any context before they are tokenized."""
    longest = max(map(len, texts), default=0)
    if longest > model.max_text_bytes:
        raise ValueError(
            f"A text must have at most {model.max_text_bytes} bytes, a context "
            f"of the longest tokens. Received: bytes={longest}. Shorten it."
        )


def _token_counts(model, texts, are_starts=False):
    """Tokens of texts, including the start token that some models prepend."""
    answer = model.call("tokenize", {"texts": texts})
    if are_starts and "start_token_ids" in answer:
        return answer["lengths"] + answer["start_token_ids"].shape[1]
    return answer["lengths"]
