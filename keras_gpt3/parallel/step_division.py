"""How a replica's step is divided: blocks into stages, rows into micro-batches.

Rules of the runtime, by which the planner counts too.
"""

import itertools

# Micro-batches that are under way at a time, for each stage: what is kept for
# the backward pass grows with them. 4 make the bubble less than a fifth of the
# time, which the paper found to be little.
MOST_FOR_EACH_STAGE = 4


def stage_layers(num_layers, stages):
    """Divide blocks into stages whose sizes differ by at most one.

    The first stages are the smaller ones: the first device also has the
    embeddings and the loss.
    """
    # (L + p) // P, summed over the stages p, is L.
    sizes = [(num_layers + stage) // stages for stage in range(stages)]
    ends = [0, *itertools.accumulate(sizes)]
    return [range(*ends[stage : stage + 2]) for stage in range(stages)]


def micro_batch_groups(stages, micro_batches):
    """How micro-batches are divided: 4 a stage at most are under way."""
    if stages == 1:
        return micro_batches, 1
    number = -(-micro_batches // (MOST_FOR_EACH_STAGE * stages))
    return number, -(-micro_batches // max(1, number))


def check_micro_batch_divides(micro_batch_size, rows):
    """Raise unless micro-batches divide the rows of a replica's batch."""
    if rows % micro_batch_size:
        before, after = division_error(micro_batch_size)
        raise ValueError(f"{before}{rows}{after}")


def division_error(micro_batch_size):
    """The text of the error, for a check inside a graph as well."""
    return (
        "micro_batch_size must divide the rows of a batch on each replica. "
        "Received: rows=",
        f", micro_batch_size={micro_batch_size}. Use a divisor, or drop the "
        "batch that is not full.",
    )
