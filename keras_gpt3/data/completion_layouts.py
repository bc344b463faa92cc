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
    """The power of two, or the longest, that a row is padded to."""
    size = _SHORTEST
    while size < length:
        size *= 2
    return min(size, longest)


def shuffled_order(count, seed, epoch):
    """The order of pairs in an epoch, a pure function of the two numbers."""
    return np.random.default_rng([seed, epoch]).permutation(count)
