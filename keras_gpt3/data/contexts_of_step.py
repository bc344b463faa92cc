"""Which contexts a batch holds, for logs and tests (TensorFlow)."""

from keras_gpt3.data.batch_ramp import BatchRamp
from keras_gpt3.integer_argument import check_integer


def contexts_of_step(shards, sequence_length, batch_size, seed, step):
    """Return the contexts that a batch of `packed_dataset` holds.

    Nothing is read. `shards.describe_context` names a context and
    `shards.read_contexts` reads some, for a look at the batch that spoilt a
    run.

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
