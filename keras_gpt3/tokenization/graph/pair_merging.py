"""The merging of byte-pair encoding, of all words at once, in a graph.

A byte is a symbol from 0 to 255, the result of merge rule number `i`, counted
from 0, is symbol 256 + i. So of two rules the one with the smaller result comes
first.
"""

import tensorflow as tf


def merge_pairs(words, pair_table, num_symbols, longest=None):
    """Join neighbours in each word, the earliest rule first.

    Each round takes the earliest rule of each stretch of a word to all places
    where it applies, from the left. That is the same as joining one pair after
    the other: a rule joins results of earlier rules only, so what a merge
    brings about are pairs of later rules, and the other places stay first. And
    what happens elsewhere before a rule's turn comes can reach a pair only by
    a symbol that grows up to it, and none grows longer than the longest token.
    So a pair may be joined when no earlier rule applies within that distance:
    a word of a megabyte takes not as many rounds as rules that it makes use
    of, but about as many as one stretch does.

    Rules that are not in order, without a `longest`, take one place of each
    word in a round: the first of its earliest rule.
    """
    symbols = tf.cast(words.flat_values, tf.int64)
    places = tf.range(tf.size(symbols, tf.int64))
    blocks, block_rows = _blocks(words, places, longest and 2 * longest)
    finished = tf.TensorArray(
        tf.int64,
        size=0,
        dynamic_size=True,
        infer_shape=False,
        element_shape=[None, 2],
    )

    def results_at(index, symbols, blocks):
        """What symbols make with the next ones; `num_symbols` for nothing."""
        after = tf.minimum(index + 1, tf.size(symbols, tf.int64) - 1)
        both = tf.gather(symbols, tf.stack([index, after]))
        rows = tf.gather(
            block_rows, tf.gather(blocks, tf.stack([index, after]))
        )
        is_pair = (after > index) & (rows[0] == rows[1])
        key = tf.where(is_pair, both[0] * num_symbols + both[1], -1)
        return pair_table.lookup(key)

    def merge_round(symbols, results, blocks, places, finished):
        earliest = _earliest(results, blocks, block_rows, num_symbols)
        earliest = tf.gather(earliest, blocks)
        has_pair = earliest < num_symbols
        done = tf.where(~has_pair)[:, 0]
        done = tf.gather(tf.stack([places, symbols], axis=1), done)
        # What no pair can reach any more takes no part in the rounds to come.
        finished = finished.write(finished.size(), done)
        left = tf.where(has_pair & (results == earliest))[:, 0]
        if longest is None:
            word = tf.gather(blocks, left)
            left = tf.boolean_mask(left, _differs_from_before(word))
        else:
            left = _every_other(left, results)
        symbols, is_kept = _joined(symbols, results, left, has_pair)
        kept = tf.where(is_kept)[:, 0]
        symbols, results, blocks, places = (
            tf.gather(x, kept) for x in (symbols, results, blocks, places)
        )
        # Only pairs with what has been joined are other ones now.
        joined = tf.searchsorted(kept, left, out_type=tf.int64)
        index = tf.concat([joined, tf.maximum(joined - 1, 0)], axis=0)
        results = tf.tensor_scatter_nd_update(
            results,
            index[:, tf.newaxis],
            results_at(index, symbols, blocks),
        )
        return symbols, results, blocks, places, finished

    flat = tf.TensorSpec([None], tf.int64)
    results = results_at(places, symbols, blocks)
    *_, finished = tf.while_loop(
        lambda symbols, *_: tf.size(symbols) > 0,
        merge_round,
        (symbols, results, blocks, places, finished),
        shape_invariants=(flat, flat, flat, flat, None),
    )
    return _in_order(finished.concat(), words.row_splits)


def _blocks(words, places, size):
    """The number of the block of bytes that each is in, and each one's word.

    A block is `size` bytes of a word, the last one of a word what is left;
    without a size, it is the word.
    """
    rows = words.value_rowids()
    is_first = _differs_from_before(rows)
    if size is not None:
        numbers = (places - tf.gather(words.row_splits, rows)) // size
        is_first |= _differs_from_before(numbers)
    blocks = tf.cumsum(tf.cast(is_first, tf.int64)) - 1
    return blocks, tf.boolean_mask(rows, is_first)


def _differs_from_before(values):
    """Which values the one before them is not like, the first among them."""
    differs = tf.pad(values[1:] != values[:-1], [[1, 0]], constant_values=True)
    return differs[: tf.size(values)]


def _earliest(results, blocks, block_rows, num_symbols):
    """The earliest rule in each block and the two beside it in its word.

    A block holds two of the longest token, for a pair may begin with one, and
    be reached from after it.
    """
    own = tf.math.unsorted_segment_min(results, blocks, tf.size(block_rows))
    own = tf.minimum(own, num_symbols)
    is_same = block_rows[1:] == block_rows[:-1]
    before = tf.where(is_same, own[:-1], num_symbols)
    after = tf.where(is_same, own[1:], num_symbols)
    before = tf.pad(before, [[1, 0]], constant_values=num_symbols)
    after = tf.pad(after, [[0, 1]], constant_values=num_symbols)
    count = tf.size(own)
    return tf.minimum(own, tf.minimum(before[:count], after[:count]))


def _every_other(places, results):
    """Of neighbouring places the first, third, ...: "aaaaa" is two pairs.

    Not of a run that continues where its rule is not the earliest: what is
    joined there first may make another place the first.
    """
    follows = tf.pad(places[1:] == places[:-1] + 1, [[1, 0]])
    follows = follows[: tf.size(places)]
    ends = tf.pad(~follows[1:], [[0, 1]], constant_values=True)
    firsts = tf.boolean_mask(places, ~follows)
    lasts = tf.boolean_mask(places, ends[: tf.size(places)])
    padded = tf.pad(results, [[1, 1]], constant_values=-1)
    rule = tf.gather(padded, firsts + 1)
    is_whole = (tf.gather(padded, firsts) != rule) & (
        tf.gather(padded, lasts + 2) != rule
    )
    run = tf.cumsum(tf.cast(~follows, tf.int32)) - 1
    offset = places - tf.gather(firsts, run)
    return tf.boolean_mask(places, (offset % 2 == 0) & tf.gather(is_whole, run))


def _joined(symbols, results, left, is_kept):
    """Symbols after merges at some places, and which of them stay."""
    left = left[:, tf.newaxis]
    symbols = tf.tensor_scatter_nd_update(
        symbols, left, tf.gather_nd(results, left)
    )
    is_kept = tf.tensor_scatter_nd_update(
        is_kept, left + 1, tf.zeros_like(left[:, 0], tf.bool)
    )
    return symbols, is_kept


def _in_order(finished, splits):
    """Put symbols, listed with their places, into words again."""
    places, symbols = finished[:, :1], finished[:, 1]
    # 0 stands where a symbol began that was joined to the one before it.
    found = tf.scatter_nd(places, symbols + 1, splits[-1][tf.newaxis])
    counts = tf.cumsum(tf.cast(found > 0, tf.int64))
    return tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(found, found > 0) - 1,
        tf.gather(tf.pad(counts, [[1, 0]]), splits),
        validate=False,
    )
