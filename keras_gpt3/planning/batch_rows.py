"""How many rows a batch of tokens has, and which devices divide them."""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer


def rows_of_batch(description, batch_tokens, length):
    """The rows of the batch of all devices."""
    if batch_tokens is None and description.recipe is None:
        raise ValueError(
            "batch_tokens must be given where the preset has no recipe. "
            f"Received: batch_tokens=None, preset={echoed(description.name)}. "
            "Pass the tokens of the batch of all devices."
        )
    if batch_tokens is None:
        batch_tokens = description.recipe["batch_tokens"]
    check_integer("batch_tokens", batch_tokens, minimum=1)
    rows = batch_tokens // length
    if rows == 0 or batch_tokens % length:
        whole = max(1, round(batch_tokens / length)) * length
        raise ValueError(
            "batch_tokens must be a multiple of length. Received: "
            f"batch_tokens={batch_tokens}, length={length}. Use batch_tokens="
            f"{whole}."
        )
    return rows


def check_rows_divide(name, number, rows, length):
    """Raises unless devices divide the rows of a batch."""
    if rows % number:
        nearest = nearest_rows(number, rows)
        raise ValueError(
            f"{name} must divide the rows of the batch. Received: {name}="
            f"{number}, batch_tokens={rows * length}, which are {rows} rows "
            f"of {length} tokens. Use batch_tokens={nearest * length}, "
            f"{nearest} rows."
        )


def nearest_rows(number, rows):
    """The multiple of a number of devices that is nearest to some rows."""
    return max(1, round(rows / number)) * number
