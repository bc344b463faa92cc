"""How many rows a batch of tokens has, and which devices divide them."""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer


def rows_of_batch(description, batch_tokens, length):
    """The rows of the batch of all devices.

    Args:
        description: `ModelDescription`.
        batch_tokens: int or `None`, for the batch of its recipe.
        length: int. Tokens in a row.

    Returns:
        An int.

    Raises:
        ValueError: If there is no recipe, or the tokens make no whole rows.

    Example:

    ```python
    from keras_gpt3.planning import describe
    from keras_gpt3.planning.batch_rows import rows_of_batch

    rows_of_batch(describe("gpt3_small_en"), None, length=2048)  # 256
    ```
    """
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
    """Raises unless devices divide the rows of a batch.

    Args:
        name: string. What the number is called.
        number: int. The devices.
        rows: int. Rows of the batch of all devices.
        length: int. Tokens in a row.

    Raises:
        ValueError: If they do not.

    Example:

    ```python
    from keras_gpt3.planning.batch_rows import check_rows_divide

    check_rows_divide("devices", 8, rows=256, length=2048)
    ```
    """
    if rows % number:
        nearest = nearest_rows(number, rows)
        raise ValueError(
            f"{name} must divide the rows of the batch. Received: {name}="
            f"{number}, batch_tokens={rows * length}, which are {rows} rows "
            f"of {length} tokens. Use batch_tokens={nearest * length}, "
            f"{nearest} rows."
        )


def nearest_rows(number, rows):
    """The multiple of a number of devices that is nearest to some rows.

    Args:
        number: int. The devices.
        rows: int.

    Returns:
        An int, at least `number`.

    Example:

    ```python
    from keras_gpt3.planning.batch_rows import nearest_rows

    nearest_rows(7, rows=256)  # 259
    ```
    """
    return max(1, round(rows / number)) * number
