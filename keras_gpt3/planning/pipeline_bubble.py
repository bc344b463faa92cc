"""What a pipeline of stages costs in time (GPipe, Huang et al. 2019)."""

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
