"""The rule that micro-batches divide the rows of a replica's batch."""


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
