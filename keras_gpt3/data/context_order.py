"""The order of contexts, a pure function of seed and sample (TensorFlow)."""

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.batch_ramp import BatchRamp

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


def context_order(samples, num_contexts, seed, corpora=None):
    """Return the context that each sample of the training run reads.

    Sample `i` belongs to epoch `i // num_contexts`. Every epoch is a
    permutation of all contexts, so that sampling is without replacement until
    an epoch ends (appendix B of the paper). Nothing is stored and nothing is
    computed but the samples requested. Several corpora may be asked at once,
    at the price of one: each sample is then a position in its own corpus.
    """
    import tensorflow as tf

    if samples.shape[0]:
        return _order(samples, num_contexts, seed, corpora)
    # There may be no sample at all, which the op refuses: request one more.
    samples = tf.pad(samples, [[0, 1]])
    corpora = None if corpora is None else tf.pad(corpora, [[0, 1]])
    return _order(samples, num_contexts, seed, corpora)[:-1]


def _order(samples, num_contexts, seed, corpora):
    import tensorflow as tf

    sizes, limits, starts = _by_sample(num_contexts, seed, corpora)
    keys = _epoch_keys(samples // sizes, starts)

    def permute(index):
        return tf.raw_ops.RandomIndexShuffle(
            index=index, seed=keys, max_index=limits, rounds=_ROUNDS
        )

    contexts = permute(samples % sizes)
    if not np.any(_max_index(num_contexts) == num_contexts):
        return contexts
    # Walk past the spare index, of which there is one.
    return tf.where(contexts < sizes, contexts, permute(contexts))


def _by_sample(num_contexts, seed, corpora):
    """Return size, largest index and key of one corpus or of each sample's."""
    import tensorflow as tf

    seeds = [seed] if corpora is None else seed
    starts = [int(seed) * _SEED_STRIDE % 2**64 for seed in seeds]
    tables = (
        np.atleast_1d(np.asarray(num_contexts, np.int64)),
        np.atleast_1d(_max_index(num_contexts)),
        np.array(starts, np.uint64),
    )
    if corpora is None:
        return [tf.constant(table[0]) for table in tables]
    return [tf.gather(table, corpora) for table in tables]


def _max_index(num_contexts):
    # The op takes a bit too few for a largest index of 2**16, 2**18, ...: it
    # would map two indices to one. There, permute one index more.
    largest = np.asarray(num_contexts, np.int64) - 1
    return np.where(largest & (largest - 1) == 0, largest + 1, largest)


def _epoch_keys(epochs, starts):
    """Return a uint32 key `(count, 3)` for each epoch, by splitmix64."""
    import tensorflow as tf

    words = tf.range(_KEY_WORDS, dtype=tf.int64)
    counters = tf.cast(epochs[:, None] * _KEY_WORDS + words, tf.uint64)
    bits = starts[..., None] + counters * tf.constant(_INCREMENT, tf.uint64)
    for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
        bits = _xor_shifted(bits, shift) * tf.constant(multiplier, tf.uint64)
    return tf.cast(_xor_shifted(bits, 31), tf.uint32)


def _xor_shifted(bits, shift):
    import tensorflow as tf

    shifted = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
    return tf.bitwise.bitwise_xor(bits, shifted)


def contexts_of_step(shards, sequence_length, batch_size, seed, step):
    """Return the contexts that a batch of `packed_dataset` holds.

    Nothing is read. `shards.describe_context` names a context and
    `shards.read_contexts` reads some, to look at the batch that a run
    diverged at.

    Args:
        shards: `TokenShards` or `Mixture`. The corpus.
        sequence_length: int. The number of tokens in an input.
        batch_size: int or `BatchRamp`. The number of contexts in a batch.
        seed: int. Determines the order.
        step: int. The batch, of an endless dataset.

    Returns:
        An int64 numpy array `(size,)` of contexts, in the order of the
        batch's rows.

    Raises:
        ValueError: If a number is out of range or the corpus is shorter than
            one context.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    shards = keras_gpt3.data.write_token_shards(
        ["To be, or not to be"] * 10, tempfile.mkdtemp(), tokenizer
    )
    for context in keras_gpt3.data.contexts_of_step(
        shards, sequence_length=8, batch_size=2, seed=0, step=5
    ):
        print(shards.describe_context(context, sequence_length=8))
    ```
    """
    import tensorflow as tf

    check_integer("sequence_length", sequence_length, minimum=1)
    check_integer("seed", seed, minimum=0)
    check_integer("step", step, minimum=0)
    if isinstance(batch_size, BatchRamp):
        before = batch_size.sequences_before
        first, end = before(step), before(step + 1)
    else:
        check_integer("batch_size", batch_size, minimum=1)
        first, end = step * batch_size, (step + 1) * batch_size
    with tf.device("CPU"):  # The order has no other kernel.
        samples = tf.range(first, end, dtype=tf.int64)
        return shards.order(samples, sequence_length, seed).numpy()
