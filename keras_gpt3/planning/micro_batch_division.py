"""The rule that micro-batches divide the rows of a replica's batch."""

from keras_gpt3.integer_argument import check_integer


def check_micro_batch_divides(micro_batch_size, rows):
    """Raises unless micro-batches divide the rows of a replica's batch."""
    if rows % micro_batch_size:
        before, after = division_error(micro_batch_size)
        raise ValueError(f"{before}{rows}{after}")


def division_error(micro_batch_size):
    """The text of the error, for a check inside a graph too."""
    return (
        "micro_batch_size must divide the rows of a batch on each replica. "
        "Received: rows=",
        f", micro_batch_size={micro_batch_size}. Use a divisor, or drop the "
        "batch that is not full.",
    )


def rows_at_once(batch_size, micro_batch_size=None):
    """The rows that go through a replica at once."""
    check_integer("batch_size", batch_size, minimum=1)
    if micro_batch_size is None:
        return int(batch_size)
    check_integer("micro_batch_size", micro_batch_size, minimum=1)
    check_micro_batch_divides(micro_batch_size, batch_size)
    return int(micro_batch_size)


def divisors(number):
    """Finds the divisors of a number."""
    return [d for d in range(number, 0, -1) if number % d == 0]
