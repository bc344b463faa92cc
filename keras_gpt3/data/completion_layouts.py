"""How pairs of prompt and completion become batches: packed or padded."""

import numpy as np

from keras_gpt3.data.completion_rows import first_fit

LAYOUTS = ("packed", "padded")
# The shortest length that a batch is padded to.
_SHORTEST = 16


def packed_batches(lengths, order, sequence_length, batch_size):
    """Puts several whole pairs into each context.

    Pairs go, in order, into the first context with enough room; none is
    split. Nothing masks a pair from those before it, as nothing masks
    documents in the paper's contexts (Appendix B).

    Args:
        lengths: list of ints. Tokens of each pair, at most
            `sequence_length + 1`, of which the last is not read.
        order: int array. The pairs, shuffled.
        sequence_length: int. Tokens of a context.
        batch_size: int. Rows of a batch.

    Returns:
        A list of batches: pairs of the length and a list of rows, each a list
        of pairs.

    Example:

    ```python
    from keras_gpt3.data.completion_layouts import packed_batches

    packed_batches([6, 5, 4], [0, 1, 2], sequence_length=9, batch_size=2)
    # [(9, [[0, 2], [1]])]
    ```
    """
    # The last token of a row is only predicted: there is room for one more.
    rows = first_fit(lengths, order, sequence_length + 1)
    return [
        (sequence_length, rows[first : first + batch_size])
        for first in range(0, len(rows), batch_size)
    ]


def padded_batches(lengths, order, sequence_length, batch_size):
    """Gives each pair a row, among pairs of about its length.

    A batch is filled with pairs that are padded to the same power of two. What
    is left of all lengths makes the last batches, so that at most one is not
    full. Batches come in the order in which their last pair does.

    Args:
        lengths: as in `packed_batches`.
        order: as in `packed_batches`.
        sequence_length: int. The longest that a row can be.
        batch_size: int. Rows of a batch.

    Returns:
        As `packed_batches`; each row is a list of one pair.

    Example:

    ```python
    from keras_gpt3.data.completion_layouts import padded_batches

    padded_batches([5, 30, 7], [0, 1, 2], sequence_length=64, batch_size=2)
    # [(16, [[0], [2]]), (32, [[1]])]
    ```
    """
    waiting, batches = {}, []
    for item in order:
        size = padded_length(lengths[item] - 1, sequence_length)
        rows = waiting.setdefault(size, [])
        rows.append([item])
        if len(rows) == batch_size:
            batches.append((size, waiting.pop(size)))
    # From short to long, so that a batch mixes neighbours.
    left = [(size, row) for size in sorted(waiting) for row in waiting[size]]
    for first in range(0, len(left), batch_size):
        sizes, rows = zip(*left[first : first + batch_size], strict=True)
        batches.append((max(sizes), list(rows)))
    return batches


def padded_length(length, longest):
    """The power of two, or the longest, that a row is padded to.

    Args:
        length: int. Tokens of the row, at most `longest`.
        longest: int. The longest that a row can be.

    Returns:
        An int.

    Example:

    ```python
    from keras_gpt3.data.completion_layouts import padded_length

    padded_length(40, longest=2048)  # 64
    ```
    """
    size = _SHORTEST
    while size < length:
        size *= 2
    return min(size, longest)


def shuffled_order(count, seed, epoch):
    """The order of pairs in an epoch, a pure function of the two numbers.

    Args:
        count: int. How many pairs there are.
        seed: int.
        epoch: int.

    Returns:
        An int array, a permutation.

    Example:

    ```python
    from keras_gpt3.data.completion_layouts import shuffled_order

    shuffled_order(10, seed=0, epoch=0)
    ```
    """
    return np.random.default_rng([seed, epoch]).permutation(count)
