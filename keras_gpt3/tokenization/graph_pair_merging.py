"""The merging of byte-pair encoding, of all words at once, in a graph.

A byte is a symbol from 0 to 255, the result of merge rule number `i`, counted
from 0, is symbol 256 + i. So of two rules the one with the smaller result comes
first.
"""


def merge_pairs(words, pair_table, num_symbols):
    """Joins neighbours in each word, the earliest rule first.

    Each round takes each word's earliest rule to all places where it applies,
    from the left. That is the same as joining one pair after the other: a rule
    joins results of earlier rules only, so what a merge brings about are pairs
    of later rules, and the other places stay first. So there are no more rounds
    than rules that a word makes use of.

    Args:
        words: `tf.RaggedTensor` `(num_words, None)` int32. The bytes of words,
            at least one each.
        pair_table: lookup table of int64. `left * num_symbols + right` of a
            rule -> its result; `num_symbols` for all else.
        num_symbols: int. 256 and the number of rules.

    Returns:
        A `tf.RaggedTensor` `(num_words, None)` of int64 symbols.

    Example:

    ```python
    import tensorflow as tf

    from keras_gpt3.tokenization.graph_pair_merging import merge_pairs

    rule = tf.lookup.KeyValueTensorInitializer(
        tf.constant([97 * 257 + 98], tf.int64), tf.constant([256], tf.int64)
    )
    table = tf.lookup.StaticHashTable(rule, default_value=257)
    words = tf.strings.unicode_decode(["abc"], "UTF-8")
    merge_pairs(words, table, num_symbols=257)  # [[256, 99]]
    ```
    """
    import tensorflow as tf

    symbols = tf.cast(words.flat_values, tf.int64)
    places = tf.range(tf.size(symbols, tf.int64))
    finished = tf.TensorArray(
        tf.int64,
        size=0,
        dynamic_size=True,
        infer_shape=False,
        element_shape=[None, 2],
    )

    def merge_round(symbols, rows, places, finished):
        results = _pair_results(symbols, rows, pair_table, num_symbols)
        earliest = tf.math.segment_min(results, rows)
        has_pair = tf.gather(earliest < num_symbols, rows)
        done = tf.where(~has_pair)[:, 0]
        done = tf.gather(tf.stack([places, symbols], axis=1), done)
        # What has no pair left takes no part in the rounds to come.
        finished = finished.write(finished.size(), done)
        left = tf.where(has_pair & (results == tf.gather(earliest, rows)))
        symbols, kept = _join(symbols, results, left[:, 0], has_pair)
        number = tf.cumsum(tf.cast(earliest < num_symbols, tf.int64)) - 1
        rows = tf.gather(number, tf.gather(rows, kept))
        return symbols, rows, tf.gather(places, kept), finished

    flat = tf.TensorSpec([None], tf.int64)
    *_, finished = tf.while_loop(
        lambda symbols, *_: tf.size(symbols) > 0,
        merge_round,
        (symbols, words.value_rowids(), places, finished),
        shape_invariants=(flat, flat, flat, None),
    )
    return _in_order(finished.concat(), words.row_splits)


def _join(symbols, results, left, has_pair):
    """Puts results for pairs; what has a pair in its word is kept, and where.

    Args:
        symbols: int64 tensor `(length,)`.
        results: int64 tensor `(length,)`. What each makes with the next one.
        left: int64 tensor. Places of the first symbols of pairs to join.
        has_pair: bool tensor `(length,)`. Whether the word takes part.

    Returns:
        A tuple of the symbols that are kept, and the places that they had.
    """
    import tensorflow as tf

    left = _every_other(left)[:, tf.newaxis]
    symbols = tf.tensor_scatter_nd_update(
        symbols, left, tf.gather_nd(results, left)
    )
    is_kept = tf.tensor_scatter_nd_update(
        has_pair, left + 1, tf.zeros_like(left[:, 0], tf.bool)
    )
    kept = tf.where(is_kept)[:, 0]
    return tf.gather(symbols, kept), kept


def _pair_results(symbols, rows, pair_table, num_symbols):
    """What each symbol makes with the next one; `num_symbols` for nothing."""
    import tensorflow as tf

    key = symbols[:-1] * num_symbols + symbols[1:]
    key = tf.where(rows[:-1] == rows[1:], key, -1)
    return tf.pad(pair_table.lookup(key), [[0, 1]], constant_values=num_symbols)


def _every_other(places):
    """Of neighbouring places the first, third, ...: "aaaaa" is two pairs."""
    import tensorflow as tf

    follows = tf.pad(places[1:] == places[:-1] + 1, [[1, 0]])
    follows = follows[: tf.size(places)]
    firsts = tf.boolean_mask(places, ~follows)
    run = tf.cumsum(tf.cast(~follows, tf.int32)) - 1
    offset = places - tf.gather(firsts, run)
    return tf.boolean_mask(places, offset % 2 == 0)


def _in_order(finished, splits):
    """Puts symbols, listed with their places, into words again."""
    import tensorflow as tf

    places, symbols = finished[:, :1], finished[:, 1]
    # 0 stands where a symbol began that was joined to the one before it.
    found = tf.scatter_nd(places, symbols + 1, splits[-1][tf.newaxis])
    counts = tf.cumsum(tf.cast(found > 0, tf.int64))
    return tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(found, found > 0) - 1,
        tf.gather(tf.pad(counts, [[1, 0]]), splits),
        validate=False,
    )
