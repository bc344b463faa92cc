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

    Args:
        stages: int. Number of stages, P.
        micro_batches: int. Micro-batches of a step.

    Returns:
        A float.

    Example:

    ```python
    from keras_gpt3.planning.pipeline_bubble import pipeline_bubble

    pipeline_bubble(stages=4, micro_batches=12)  # 0.2
    ```
    """
    number, each = micro_batch_groups(stages, micro_batches)
    # What the last group lacks is waited for, too.
    return 1 - micro_batches / (number * (each + stages - 1))


def micro_batch_groups(stages, micro_batches):
    """How micro-batches are divided: 4 a stage at most are under way.

    Args:
        stages: int. Number of stages.
        micro_batches: int. Micro-batches of a step.

    Returns:
        A pair of ints: the number of groups, and the micro-batches in each.

    Example:

    ```python
    from keras_gpt3.planning.pipeline_bubble import micro_batch_groups

    micro_batch_groups(stages=2, micro_batches=20)  # (3, 7)
    ```
    """
    if stages == 1:
        return micro_batches, 1
    number = -(-micro_batches // (MOST_FOR_EACH_STAGE * stages))
    return number, -(-micro_batches // max(1, number))
