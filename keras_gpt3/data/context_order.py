"""The order of contexts, a pure function of seed and sample (TensorFlow)."""

# The op behind tf.random.experimental.index_shuffle is a block cipher. That
# function runs 4 rounds of it, and of its two key words uses as many bits as
# half an index has: the permutations of two epochs then correlate by 0.3 at
# 60,000 and at 1,000,000 contexts, and a small corpus has 256 of them. With 8
# rounds, which the op's own header recommends, they look independent.
_ROUNDS = 8
_KEY_WORDS = 3

# Constants of splitmix64, and an odd number that keeps seeds apart.
_INCREMENT = 0x9E3779B97F4A7C15
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SEED_STRIDE = 0xD1342543DE82EF95


def context_order(samples, num_contexts, seed):
    """Return the context that each sample of the training run reads.

    Sample `i` belongs to epoch `i // num_contexts`. Every epoch is a
    permutation of all contexts, so that sampling is without replacement until
    an epoch ends (appendix B of the paper). Nothing is stored and nothing is
    computed but the samples asked for.

    Args:
        samples: int64 tensor `(count,)`. Positions in the training run.
        num_contexts: int. The number of contexts in the corpus.
        seed: int. Each seed gives orders of its own.

    Returns:
        An int64 tensor `(count,)` of contexts below `num_contexts`.

    Example:

    ```python
    import tensorflow as tf

    from keras_gpt3.data.context_order import context_order

    samples = tf.range(10, dtype=tf.int64)
    print(context_order(samples, num_contexts=10, seed=0))
    ```
    """
    import tensorflow as tf

    keys = _epoch_keys(samples // num_contexts, seed)
    max_index = _max_index(num_contexts)

    def permute(index):
        return tf.raw_ops.RandomIndexShuffle(
            index=index,
            seed=keys,
            max_index=tf.constant(max_index, samples.dtype),
            rounds=_ROUNDS,
        )

    contexts = permute(samples % num_contexts)
    if max_index < num_contexts:
        return contexts
    # Walk past the spare index, of which there is one.
    return tf.where(contexts < num_contexts, contexts, permute(contexts))


def _max_index(num_contexts):
    # The op takes a bit too few for a largest index of 2**16, 2**18, ...: it
    # would map two indices to one. There, permute one index more.
    largest = num_contexts - 1
    is_power_of_two = largest & (largest - 1) == 0
    return largest + 1 if is_power_of_two else largest


def _epoch_keys(epochs, seed):
    """Return a uint32 key `(count, 3)` for each epoch, by splitmix64."""
    import tensorflow as tf

    words = tf.range(_KEY_WORDS, dtype=tf.int64)
    counters = tf.cast(epochs[:, None] * _KEY_WORDS + words, tf.uint64)
    start = tf.constant(int(seed) * _SEED_STRIDE % 2**64, tf.uint64)
    bits = start + counters * tf.constant(_INCREMENT, tf.uint64)
    for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
        bits = _xor_shifted(bits, shift) * tf.constant(multiplier, tf.uint64)
    return tf.cast(_xor_shifted(bits, 31), tf.uint32)


def _xor_shifted(bits, shift):
    import tensorflow as tf

    shifted = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
    return tf.bitwise.bitwise_xor(bits, shifted)
