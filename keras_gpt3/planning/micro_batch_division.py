"""The rule that micro-batches divide the rows of a replica's batch."""

from keras_gpt3.integer_argument import check_integer


def check_micro_batch_divides(micro_batch_size, rows):
    """Raises unless micro-batches divide the rows of a replica's batch.

    Args:
        micro_batch_size: int. Rows of a micro-batch.
        rows: int. Rows of the batch of one replica.

    Raises:
        ValueError: If `rows` is no multiple of `micro_batch_size`.

    Example:

    ```python
    from keras_gpt3.planning.micro_batch_division import (
        check_micro_batch_divides,
    )

    check_micro_batch_divides(micro_batch_size=2, rows=8)
    ```
    """
    if rows % micro_batch_size:
        before, after = division_error(micro_batch_size)
        raise ValueError(f"{before}{rows}{after}")


def division_error(micro_batch_size):
    """The text of the error, for a check inside a graph too.

    Args:
        micro_batch_size: int. Rows of a micro-batch.

    Returns:
        A pair of strings: what stands before the rows and what after.
    """
    return (
        "micro_batch_size must divide the rows of a batch on each replica. "
        "Received: rows=",
        f", micro_batch_size={micro_batch_size}. Use a divisor, or drop the "
        "batch that is not full.",
    )


def rows_at_once(batch_size, micro_batch_size=None):
    """The rows that go through a replica at once.

    Args:
        batch_size: int. Rows of the batch of one replica.
        micro_batch_size: int. Rows of a micro-batch. Defaults to `None`, all
            of them.

    Returns:
        An int.

    Raises:
        ValueError: If a number is below 1, or the second does not divide the
            first.

    Example:

    ```python
    from keras_gpt3.planning.micro_batch_division import rows_at_once

    rows_at_once(batch_size=8, micro_batch_size=2)  # 2
    ```
    """
    check_integer("batch_size", batch_size, minimum=1)
    if micro_batch_size is None:
        return int(batch_size)
    check_integer("micro_batch_size", micro_batch_size, minimum=1)
    check_micro_batch_divides(micro_batch_size, batch_size)
    return int(micro_batch_size)


def divisors(number):
    """Finds the divisors of a number.

    Args:
        number: int, at least 1.

    Returns:
        A list of ints, the largest first.
    """
    return [d for d in range(number, 0, -1) if number % d == 0]
