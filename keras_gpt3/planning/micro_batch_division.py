"""The rule that micro-batches divide the rows of a replica's batch."""

from keras_gpt3.argument_checks import check_integer


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


# Micro-batches that are under way at a time, for each stage: what is kept for
# the backward pass grows with them. 4 make the bubble less than a fifth of the
# time, which the paper found to be little.
MOST_FOR_EACH_STAGE = 4


def pipeline_bubble(stages, micro_batches):
    """The share of a step in which a stage waits for the others.

    Micro-batches go in groups, each forward and then backward through the P
    stages. In a group of M the first reaches the last stage when that has
    waited for P - 1 others: for `(P - 1) / (M + P - 1)` of the time.
    """
    number, each = micro_batch_groups(stages, micro_batches)
    # What the last group lacks is waited for, too.
    return 1 - micro_batches / (number * (each + stages - 1))


def micro_batch_groups(stages, micro_batches):
    """How micro-batches are divided: 4 a stage at most are under way."""
    if stages == 1:
        return micro_batches, 1
    number = -(-micro_batches // (MOST_FOR_EACH_STAGE * stages))
    return number, -(-micro_batches // max(1, number))
